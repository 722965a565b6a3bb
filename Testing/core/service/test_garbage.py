"""Nonsense on the pipe, in either direction."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.core.service.conftest import PATIENCE, eventually
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service import process
from vlp3d_core.service.client import Worker
from vlp3d_core.volume import Volume

ROOT = Path(__file__).parents[3]
SMALL = Volume(np.zeros((2, 3, 4), np.uint8), np.eye(4), "CT")


class Pipe:
    """A real worker, spoken to byte by byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "vlp3d_core.service.worker", "--folder", str(folder)]
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe)

    def write(self, data: bytes) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def say(self, **message: Any) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        message: dict[str, Any] = json.loads(self.child.stdout.readline())
        return message


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipe]:
    made = Pipe(tmp_path_factory.mktemp("private"))
    assert made.hear()["event"] == "ready"
    with made.child:
        yield made
        made.child.kill()


LINES = {
    "not JSON": b"hello\n",
    "not UTF-8": b"\xff\xfe\x00\n",
    "not an object": b"[1]\n",
    "NaN": b'{"id": 1, "do": "models", "x": NaN}\n',
    "too deep": b"[" * 50_000 + b"\n",
    "too long": b"x" * ((1 << 20) + 5) + b"\n",
    "empty": b"\n",
    "a request without a number": b'{"do": "models"}\n',
    "a number that is none": b'{"do": "models", "id": true}\n',
    "a number that is too large": b'{"do": "models", "id": 1e400}\n',
    "an unknown request": b'{"do": "format the disk"}\n',
    "a cancel of nothing": b'{"do": "cancel"}\n',
    "a release of nothing": b'{"do": "release", "volume": "../x"}\n',
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_the_worker_says_what_it_cannot_read_and_goes_on(pipe: Pipe, line: bytes) -> None:
    pipe.write(line)
    told = pipe.hear()
    assert (told["id"], told["event"]) == (None, "error")
    assert told["error"]["cause"].startswith("The worker cannot read a request:")
    pipe.say(id=1, do="models")
    assert pipe.hear()["event"] == "result"


def test_a_wrong_request_is_answered_under_its_number(pipe: Pipe) -> None:
    pipe.say(id=5, do="segment", volume="one")
    told = pipe.hear()
    assert (told["id"], told["event"]) == (5, "error") and "volume" in told["error"]["cause"]


@pytest.mark.parametrize(
    "array",
    [None, {"file": "../../etc/passwd"}, {"file": "v1.raw", "type": "u1", "shape": [9, 9, 9], "axes": [0, 1, 2]}],
)
def test_a_volume_that_did_not_arrive(pipe: Pipe, array: Any) -> None:
    pipe.say(do="volume", volume=1, array=array, affine=[0] * 16, modality="CT", notes=[])
    pipe.say(id=2, do="segment", volume=1)
    assert pipe.hear()["event"] == "started"
    told = pipe.hear()
    assert told["event"] == "error" and "The volume did not arrive" in told["error"]["cause"]
    pipe.say(id=3, do="segment", volume=77)
    assert pipe.hear()["event"] == "started"
    assert "not here any more" in pipe.hear()["error"]["cause"]


def test_its_end_is_the_workers_end(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "v1.raw").touch()
    made = Pipe(folder)
    with made.child:
        assert made.hear()["event"] == "ready"
        made.write(b'{"id": 1, "do": "mod')
        made.child.stdin.close()  # type: ignore[union-attr]
        assert made.child.wait(PATIENCE) == 0
        assert made.child.stdout.read() == b""  # type: ignore[union-attr]
    assert not folder.exists()


def test_what_a_library_prints_does_not_reach_the_client(tmp_path: Path) -> None:
    """Python's print, and a program that writes to descriptor 1."""
    (tmp_path / "sitecustomize.py").write_text(
        "import vlp3d_core.service.worker as w, os, sys\n"
        "before = w.Service.run\n"
        "def run(self):\n"
        "    print('from print'); os.write(1, b'from fd 1\\n'); os.system('echo from a child; cat')\n"
        "    before(self)\n"
        "w.Service.run = run\n"
    )
    worker = Worker(environment={**os.environ, "PYTHONPATH": str(tmp_path)})

    def launcher(command: Sequence[str], environment: dict[str, str]) -> Any:
        # Run as a module the worker is `__main__`, which nobody could patch.
        code = "import sitecustomize, sys; from vlp3d_core.service.worker import main; main()"
        return process.launch([command[0], "-c", code, *command[3:]], environment)

    worker = Worker(environment={**os.environ, "PYTHONPATH": str(tmp_path)}, launcher=launcher)
    assert worker.wait(worker.models(), PATIENCE)
    assert eventually(lambda: all(f"from {what}" in worker.details for what in ("print", "fd 1", "a child")))
    worker.close()


def stand_in(code: str) -> Callable[..., Any]:
    """A launcher of a program that greets like a worker, reads one request as `r`, and then runs the code."""
    program = (
        "import json, sys, time, os\n"
        "def say(**m): print(json.dumps(m), flush=True)\n"
        "say(event='ready', folder=sys.argv[-1])\n"
        "r = json.loads(sys.stdin.readline())\n"
        "while r['do'] == 'volume': r = json.loads(sys.stdin.readline())\n"
    )
    return lambda command, environment: process.launch(
        [sys.executable, "-c", program + textwrap.dedent(code), command[-1]], environment
    )


LABELS = "{'file': 'r1.raw', 'type': 'u1', 'shape': [2, 3, 5], 'axes': [0, 1, 2]}"
ANSWERS = {
    "no JSON": "print('Segmentation fault', flush=True); time.sleep(60)",
    "no object": "print('[]', flush=True); time.sleep(60)",
    "no event": "say(id=r['id']); time.sleep(60)",
    "an unknown event": "say(id=r['id'], event='dance'); time.sleep(60)",
    "what only we say": "say(event='lost'); time.sleep(60)",
    "too long": "print('x' * 5000, flush=True); time.sleep(60)",
    "no result": "say(id=r['id'], event='result'); time.sleep(60)",
    "a result of another kind": "say(id=r['id'], event='result', result=[1]); time.sleep(60)",
    "labels that are not there": f"say(id=r['id'], event='result', result={{'labels': {LABELS}}}); time.sleep(60)",
    "labels of another shape": "open(os.path.join(sys.argv[-1], 'r1.raw'), 'wb').write(bytes(30));"
    f"say(id=r['id'], event='result', result={{'labels': {LABELS}}}); time.sleep(60)",
    "no stage": "say(id=r['id'], event='progress', fraction=1); time.sleep(60)",
    "no fraction": "say(id=r['id'], event='progress', stage='x', fraction='1'); time.sleep(60)",
    "no error": "say(id=r['id'], event='error'); time.sleep(60)",
}


@pytest.mark.parametrize("code", ANSWERS.values(), ids=ANSWERS)
def test_a_worker_that_talks_nonsense_is_ended(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_ANSWER", 2000)
    worker = Worker(launcher=stand_in(code))
    jobs = [worker.segment(SMALL), worker.segment(SMALL)]
    assert worker._uploads is not None
    started = worker._uploads.process
    for job in jobs:
        with pytest.raises(MedVLPError, match="sent something that cannot be read"):
            worker.wait(job, PATIENCE)
    assert not worker.running and not started.folder.exists()
    assert eventually(lambda: started._child.poll() is not None)
    worker.close()


def test_half_a_line_at_the_end_is_no_nonsense() -> None:
    worker = Worker(launcher=stand_in('os.write(1, b\'{"id": 1, "ev\'); os._exit(7)'))
    with pytest.raises(MedVLPError, match=r"ended unexpectedly \(exit code 7\)"):
        worker.wait(worker.models(), PATIENCE)
    worker.close()


def test_answers_to_nobody_are_dropped_with_their_files() -> None:
    code = """
        open(os.path.join(sys.argv[-1], 'r1.raw'), 'wb').write(bytes(30))
        say(id=99, event='result', result={'labels': {'file': 'r1.raw'}})
        say(id=None, event='error', error={'cause': 'x'})
        say(id=r['id'], event='result', result=[])
        time.sleep(60)
    """
    worker = Worker(launcher=stand_in(code))
    assert worker.wait(worker.models(), PATIENCE) == []
    assert [p.name for p in worker._uploads.process.folder.iterdir()] == ["owner.lock"]  # type: ignore[union-attr]
    worker.close()
