"""`vlp3d caption`: the options that belong together, what is said, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.core.train.captioning.conftest import Endpoint, Reply, says
from Testing.core.train.captioning.tiny_captioners import write_blip
from vlp3d_core.cli.main import main
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest

Caption = Callable[..., tuple[int, str, str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "m2.jsonl"


@pytest.fixture
def vlp3d_caption(
    cases: list[Case], tmp_path: Path, out: Path, cache: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Caption:  # fmt: skip
    """Runs `vlp3d caption` on the three phantoms; gives the exit code, standard output and standard error."""
    monkeypatch.setattr("vlp3d_core.cli.main.quiet_libraries", lambda: None)
    monkeypatch.delenv("MEDVLP_ENDPOINT_KEY", raising=False)
    write_manifest(cases, tmp_path / "m.jsonl")

    def run(*options: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["caption", str(tmp_path / "m.jsonl"), "-o", str(out), *map(str, options)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_facts_are_the_default(vlp3d_caption: Caption, out: Path) -> None:
    code, said, err = vlp3d_caption("--json")
    assert code == 0 and json.loads(said)["with_text"] == 3 and not err
    assert {case.caption["maker"] for case in read_manifest(out)} == {"facts"}


def test_a_volume_that_cannot_be_read_is_a_note(
    vlp3d_caption: Caption, cases: list[Case], tmp_path: Path, out: Path
) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"no volume")
    bare = replace(cases[1], label=None, labels={})
    write_manifest([replace(cases[0], image=tmp_path / "broken.nii.gz"), bare, cases[2]], tmp_path / "m.jsonl")
    code, said, _ = vlp3d_caption()
    assert code == 0 and "1 of 3 volumes have a text" in said
    assert "broken.nii.gz" in said and "--model NAME" in said and "--maker vlm" in said


def test_an_image_to_text_model(vlp3d_caption: Caption, out: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiny-blip"
    model.mkdir()
    write_blip(model)
    code, _, _ = vlp3d_caption("--maker", "vlm", "--vlm", model, "--slices", 2, "--max-tokens", 5)
    assert code == 0
    for case in read_manifest(out):
        assert case.report and case.caption["maker"] == "vlm" and case.caption["slices"] == "2"


def test_an_endpoint(vlp3d_caption: Caption, endpoint: Endpoint, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDVLP_ENDPOINT_KEY", "sk-secret")
    options = ("--maker", "endpoint", "--endpoint", endpoint.url, "--endpoint-model", "tiny")
    code, said, err = vlp3d_caption(*options)
    assert code == 0 and "3 of 3" in said
    assert err.startswith("vlp3d: note: ") and endpoint.url in err and err.count("\n") == 1
    assert endpoint.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in said + err + out.read_text()
    out.unlink()
    assert vlp3d_caption(*options)[2] == "" and len(endpoint.asked) == 3
    assert vlp3d_caption(*options, "--again")[0] == 0 and len(endpoint.asked) == 6


def test_slices_to_an_endpoint(vlp3d_caption: Caption, endpoint: Endpoint) -> None:
    code, _, err = vlp3d_caption(
        "--maker", "endpoint", "--endpoint", endpoint.url, "--endpoint-model", "t", "--send", "slices", "--slices", 3
    )
    assert code == 0 and "PNG" in err and len(endpoint.asked[0]["messages"][0]["content"]) == 4


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_what_was_made(vlp3d_caption: Caption, endpoint: Endpoint, out: Path) -> None:
    """The signal itself, while the command waits for the second answer."""

    def stop(request: object) -> Reply:
        os.kill(os.getpid(), signal.SIGINT)
        endpoint.ended.wait(5)
        return says("Too late.")

    endpoint.rules = [lambda request: says("The liver."), stop, lambda request: says("The spleen.")]
    options = ("--maker", "endpoint", "--endpoint", endpoint.url, "--endpoint-model", "tiny")
    code, _, err = vlp3d_caption(*options)
    assert code == 1
    assert err.splitlines()[-1] == (f"vlp3d: Cancelled. 1 of 3 volumes have a text in {out}; the same command goes on.")
    assert [case.report for case in read_manifest(out)] == ["The liver.", "", ""]
    assert vlp3d_caption(*options)[0] == 0
    assert [case.report for case in read_manifest(out)] == ["The liver.", "The spleen.", "The spleen."]
    assert len(endpoint.asked) == 4 and [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_key_that_is_refused_later_keeps_what_was_made(vlp3d_caption: Caption, endpoint: Endpoint, out: Path) -> None:
    endpoint.replies(says("The liver."), (401, {}, b""))
    code, _, err = vlp3d_caption("--maker", "endpoint", "--endpoint", endpoint.url, "--endpoint-model", "tiny")
    assert code == 1 and "MEDVLP_ENDPOINT_KEY" in err and "1 of 3 volumes have a text" in err
    assert [case.report for case in read_manifest(out)] == ["The liver.", "", ""]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--maker", "vlm"], "needs --vlm"),
        (["--maker", "endpoint", "--endpoint-model", "x"], "needs --endpoint."),
        (["--maker", "endpoint", "--endpoint", "http://localhost/v1"], "needs --endpoint-model"),
        (["--slices", "3"], "--slices means nothing with --maker facts"),
        (["--endpoint", "http://localhost/v1"], "--endpoint means nothing with --maker facts"),
        (["--maker", "vlm", "--vlm", "x", "--allow-upload"], "--allow-upload means nothing"),
        (["--maker", "vlm", "--vlm", "x", "--model", "y"], "--model means nothing"),
        (["--maker", "endpoint", "--slices", "2"], "--slices means nothing with --maker endpoint --send facts"),
        (["--maker", "endpoint", "--send", "slices", "--model", "x"], "--model means nothing"),
        (["--maker", "endpoint", "--endpoint", "https://api.example", "--endpoint-model", "x"], "--allow-upload"),
        (["--maker", "endpoint", "--endpoint", "nowhere", "--endpoint-model", "x"], "not an address"),
        (["--maker", "vlm", "--vlm", "no/such-model"], "--download"),
        (["--maker", "poet"], "poet"),
        (["--slices", "0"], "from 1 up"),
    ],
)
def test_options_that_make_no_sense(options: list[str], said: str, vlp3d_caption: Caption, out: Path) -> None:
    code, printed, err = vlp3d_caption(*options)
    assert code == 2 and said in err and err.count("\n") == 1 and not printed and not out.exists()


def test_help_names_every_maker(vlp3d_caption: Caption, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["caption", "--help"])
    said = capsys.readouterr().out
    assert all(word in said for word in ("facts", "vlm", "endpoint", "MEDVLP_ENDPOINT_KEY", "--allow-upload"))
