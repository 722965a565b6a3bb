"""`vlp3d scaling`: a grid of tiny real runs, what --resume keeps of it, and what it refuses before it trains."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from Testing.core.cli.conftest import Outcome, Run, refused
from Testing.core.train.conftest import TINY
from vlp3d_core.cli.main import main
from vlp3d_core.evaluate.retrieval import retrieval_loss
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.train import scaling
from vlp3d_core.train.finetune import TextQueriedSegmentation
from vlp3d_core.train.importers.studies import make_studies
from vlp3d_core.train.run_record import read_parts

GRID = ("--fractions", "0.5,1", "--sizes", "1,2", "--seeds", "0")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny settings as a recipe of two steps."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(json.dumps(replace(TINY, steps=2).to_json()), encoding="utf-8")  # JSON is YAML
    return path


@pytest.fixture
def vlp3d(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `vlp3d` with arguments, in this process."""
    monkeypatch.setattr("vlp3d_core.cli.main.quiet_libraries", lambda: None)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for results."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of the segmentation runs that are begun."""
    folders: list[Path] = []
    original = scaling.finetune

    def noted(config: Any, manifest: Path, out: Path, *rest: Any, **more: Any) -> Any:
        folders.append(out)
        return original(config, manifest, out, *rest, **more)

    monkeypatch.setattr(scaling, "finetune", noted)
    return folders


@pytest.mark.usefixtures("texts_once")
def test_a_grid_from_ctrl_c_to_its_laws(
    vlp3d: Run,
    recipe: Path,
    manifest: Path,
    out: Path,
    trained: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("scaling", recipe, "--manifest", manifest, "--out", out / "grid", *GRID)
    original = TextQueriedSegmentation.training_step

    def pressed(module: TextQueriedSegmentation, batch: dict[str, Any], index: int) -> Any:
        if len(trained) == 2 and module.global_step == 0:
            signal.raise_signal(signal.SIGINT)
        return original(module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TextQueriedSegmentation, "training_step", pressed)
        stopped = vlp3d(*words)
    assert stopped.code == 1 and "after step 1 is saved" in stopped.err and "1 of 4 runs are finished" in stopped.err

    again = vlp3d(*words)
    assert again.code == 1 and "already holds a grid" in again.err
    other = vlp3d(*words, "--resume", "steps=4")
    assert other.code == 1 and "other settings: steps" in other.err

    done = vlp3d(*words, "--resume", "--json")
    assert done.code == 0, done.err
    names = ["0.5-1-0", "1-1-0", "0.5-2-0", "1-2-0"]
    assert [folder.name for folder in trained] == [*names[:2], *names[1:]], "the finished one is not trained again"
    assert len(read_parts(out / "grid" / "1-1-0")) == 2, "the interrupted one went on"
    runs = {r["folder"]: r for r in done.json["runs"]}
    assert set(runs) == set(names)
    assert [runs[n]["subjects"] for n in names] == [1, 2, 1, 2]
    assert runs["1-2-0"]["encoder_parameters"] > 3 * runs["1-1-0"]["encoder_parameters"]
    assert runs["1-2-0"]["parameters"] > runs["1-2-0"]["encoder_parameters"]
    settings = [json.loads((out / "grid" / n / "config.json").read_text()) for n in names]
    assert {s["steps"] for s in settings} == {2}
    assert [s["encoder_options"]["channels"] for s in settings] == [[8, 16], [8, 16], [16, 32], [16, 32]]
    assert all(r["error"] == pytest.approx(1 - r["metrics"]["Dice"]) for r in runs.values())
    assert all(c["power"] is None and "needs 3 different" in c["not_fitted"][0] for c in done.json["curves"])
    assert {p.name for p in (out / "grid").iterdir()} == {
        *names, "cache", "plan.json", "scaling.json", "scaling.csv", "scaling.png",
    }  # fmt: skip
    evaluated = vlp3d(
        "evaluate", "segmentation", "--manifest", manifest, "--json", "--model", out / "grid/1-1-0/bundle"
    )
    assert evaluated.json["mean"]["metrics"]["dice"]["mean"] == pytest.approx(runs["1-1-0"]["metrics"]["Dice"])

    trained.clear()
    told = vlp3d(*words, "--resume")
    assert told.code == 0 and trained == []
    assert "1 − Dice" in told.out and "size 2, n = subjects: no law" in told.out


def test_a_grid_of_pretraining(vlp3d: Run, tmp_path: Path, out: Path) -> None:
    studies = make_studies(20, 1, tmp_path / "studies", (15.0, 15.0, 15.0))
    done = vlp3d(
        "scaling", "gtgm", "--manifest", studies, "--out", out / "grid", "--fractions", "0.5,1", "--seeds", "0",
        "--json",
        "spacing=[25,25,25]", "patch=[16,12,16]", "batch=4", "steps=2", "validate_every=2", "dimension=16",
        "encoder_options={channels: [4, 8]}", "precision=32-true",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [r["subjects"] for r in done.json["runs"]] == [7, 14]
    cards = [json.loads((out / "grid" / name / "pretrained.json").read_text()) for name in ("0.5-1-0", "1-1-0")]
    assert [card["data"]["training_studies"] for card in cards] == [7, 14]
    assert done.json["error"] == "retrieval loss"
    assert all(r["error"] > 0 and 0 <= r["metrics"]["Recall@10"] <= 1 for r in done.json["runs"])


def test_the_retrieval_loss() -> None:
    reports = ["a", "b", "c", "d"]
    alike = np.ones((4, 1), np.float32)
    assert retrieval_loss(alike, alike, reports, 0.1) == pytest.approx(np.log(4))
    assert retrieval_loss(alike, alike, ["a", "A", "c", "C"], 0.1) == pytest.approx(np.log(2)), "duplicates are right"
    own = np.eye(4, dtype=np.float32)
    assert retrieval_loss(own, own, reports, 0.01) < 1e-6 < retrieval_loss(own, np.roll(own, 1, 0), reports, 0.1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--fractions", "0,1"], 2, "fractions"),
        (["--fractions", "1,1"], 2, "twice"),
        (["--fractions", "0.1,0.5"], 2, "0.1 and 0.5 choose the same subjects"),
        (["--sizes", "0"], 2, "sizes"),
        (["--sizes", "0.2"], 2, "leaves no channels"),
        (["--sizes", "1,1.1"], 2, "same encoder"),
        (["--seeds", "x"], 2, "seeds"),
        (["seed=1"], 2, "--seeds"),
        (["label_fraction=0.5"], 2, "--fractions"),
        (["devices=2"], 2, "one process"),
        (["--init", "nowhere", "--sizes", "1,2"], 2, "--sizes 1"),
        (["--init", "nowhere"], 1, "no weights"),
        (["--split", "train"], 2, "split"),
        (["--resume"], 1, "no grid to resume"),
    ],
)
def test_what_it_refuses(
    words: list[str],
    code: int,
    said: str,
    vlp3d: Run,
    recipe: Path,
    manifest: Path,
    out: Path,
) -> None:
    done = vlp3d("scaling", recipe, "--fractions", "0.5,1", "--manifest", manifest, "--out", out / "grid", *words)
    refused(done, code, said, out)


@pytest.mark.parametrize(
    ("recipe_name", "said"), [("classify-small", "classification"), ("unicorn", "no recipe"), ("text_tower", "unknown")]
)
def test_recipes_of_other_tasks(recipe_name: str, said: str, vlp3d: Run, manifest: Path, out: Path) -> None:
    refused(vlp3d("scaling", recipe_name, "--manifest", manifest, "--out", out / "grid"), 2, said, out)


def test_a_start_that_has_seen_the_test_subjects(
    vlp3d: Run,
    recipe: Path,
    manifest: Path,
    out: Path,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    start = copytree(tiny_bundle, tmp_path / "start")
    note_subjects(start, ["head-3"])
    words = ("--fractions", "1", "--manifest", manifest, "--out", out / "grid", "--init", start)
    refused(vlp3d("scaling", recipe, *words), 1, "was trained on 1 of the subjects", out)
