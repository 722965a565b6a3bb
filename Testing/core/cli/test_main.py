"""The frame of `vlp3d`: what it lists, how it fails, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlp3d_core import __version__
from vlp3d_core.cli import main as frame
from vlp3d_core.cli import output
from vlp3d_core.cli.failure import explain
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], int]], None]:
    """Put a command of the test's own in the place of `models`."""

    def install(run: Callable[[Any], int]) -> None:
        module = types.ModuleType("vlp3d_core.cli.models")

        def add_parser(subparsers: Any) -> None:
            parser = subparsers.add_parser("models")
            parser.add_argument("--json", action="store_true")
            parser.add_argument("--count", type=int)

        module.add_parser = add_parser  # type: ignore[attr-defined]
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "vlp3d_core.cli.models", module)
        monkeypatch.setattr(frame, "quiet_libraries", lambda: None)  # it changes the whole process

    return install


def raising(error: BaseException) -> Callable[[Any], int]:
    def run(args: Any) -> int:
        raise error

    return run


def test_help_lists_every_command_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        frame.main(["--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in frame.COMMANDS)


def test_help_answers_without_heavy_libraries() -> None:
    code = (
        "import sys; from vlp3d_core.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('heavy:', *({'torch', 'numpy', 'SimpleITK', 'tqdm', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["heavy:"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        frame.main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"vlp3d {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["paint"], ["--paint"], ["models", "--count", "two"], ["models", "--js"]])
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(lambda args: 0)
    assert frame.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vlp3d: error: ")
    assert "--help" in captured.err
    assert captured.err.count("\n") == 1


def test_the_exit_code_of_a_command_is_passed_on(command: Callable[..., None]) -> None:
    command(lambda args: args.count)
    assert frame.main(["models", "--count", "0"]) == 0
    assert frame.main(["models", "--count", "1"]) == 1


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MedVLPError("It is broken.", "Mend it."), 1, "vlp3d: error: It is broken. Mend it."),
        (UsageError("No model named x.", "Choose y."), 2, "vlp3d: error: No model named x. Choose y."),
        (KeyboardInterrupt(), 1, "vlp3d: Cancelled. Nothing was written."),
        (Cancelled(), 1, "vlp3d: Cancelled. Nothing was written."),
        (
            ValueError("two\nlines"),
            1,
            "vlp3d: error: Unexpected ValueError: two lines. --debug shows the traceback.",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "a b.nii"),
            1,
            "vlp3d: error: a b.nii: No such file or directory. Check that the path exists and that you may use it.",
        ),
    ],
)
def test_a_failure_is_one_line(
    error: BaseException, code: int, line: str, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(error))
    assert frame.main(["models"]) == code
    captured = capsys.readouterr()
    assert captured.err == line + "\n"
    assert captured.out == ""


def test_a_failure_as_json(command: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    command(raising(MedVLPError("It is broken.", "Mend it.")))
    assert frame.main(["models", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"cause": "It is broken.", "remedy": "Mend it."}}
    assert captured.err == "vlp3d: error: It is broken. Mend it.\n"


def test_wrong_usage_as_json(command: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    command(lambda args: 0)
    assert frame.main(["models", "--json", "--count", "two"]) == 2
    assert "--count" in json.loads(capsys.readouterr().out)["error"]["cause"]


@pytest.mark.parametrize("arguments", [["--debug", "models"], ["models", "--debug"]])
def test_debug_shows_the_traceback(
    arguments: list[str], command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(ValueError("deep inside")))
    assert frame.main(arguments) == 1
    assert "Traceback" in capsys.readouterr().err


def test_memory_and_missing_packages_have_a_remedy() -> None:
    assert "--roi" in explain(MemoryError()).remedy
    assert "--roi" in explain(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")).remedy
    assert "[train]" in explain(ModuleNotFoundError("No module", name="lightning.pytorch")).remedy
    assert "[dicom]" in explain(ModuleNotFoundError("No module", name="highdicom")).remedy


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could handle")
def test_sigterm_cleans_up_like_ctrl_c(
    command: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: Any) -> int:
        from vlp3d_core.files import replacing

        with replacing(tmp_path / "half.txt") as path:
            path.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    command(run)
    assert frame.main(["models"]) == 1
    assert "Cancelled. Nothing was written." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error on Windows")
def test_a_reader_who_left_is_no_crash() -> None:
    code = (
        "import sys, types; from vlp3d_core.cli.main import main\n"
        "module = types.ModuleType('m'); module.add_parser = lambda s: s.add_parser('models')\n"
        "module.run = lambda args: [print('line' * 1000) for _ in range(1000)] and 0\n"
        "sys.modules['vlp3d_core.cli.models'] = module\n"
        "sys.exit(main(['models']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_json_has_only_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    output.print_json({"path": Path("a"), "array": np.arange(2), "one": np.float32(1), "nan": float("nan"), 3: (1,)})
    assert json.loads(capsys.readouterr().out) == {"path": "a", "array": [0, 1], "one": 1.0, "nan": None, "3": [1]}


def test_no_progress_bar_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress_bar() as progress:
        progress("encoding", 0.5)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == ""


def test_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with output.progress_bar() as progress:
        progress("reading", 1.0)
        progress("encoding", 0.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading" in captured.err
    assert "100%" in captured.err
    assert "encoding" in captured.err
    assert "50%" in captured.err
