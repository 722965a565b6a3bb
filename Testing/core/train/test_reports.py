"""Reports end to end on toys: what was seen is written, a stopped run goes on, and what is wrong is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from Testing.core.toy_findings import FIELD, NORMALISATION, SPACING, write_run
from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.reporter import PIECES, Reporter, load_reporter
from vlp3d_core.predict.describe import describe
from vlp3d_core.text.report.pieces import BEGIN, END, Pieces
from vlp3d_core.train.callbacks import Stopped
from vlp3d_core.train.learn_reports import learn_reports
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.train.report_config import ReportConfig
from vlp3d_core.train.report_data import join_reports, numbered, report_cases
from vlp3d_core.train.tasks import load_task
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

OPTIONS = {"channels": [4, 8, 8]}
TINY = ReportConfig(
    task="report",
    modality="CT",
    spacing=SPACING,
    normalisation=NORMALISATION,
    encoder_options=OPTIONS,
    patch=FIELD,
    batch=3,
    steps=100,
    validate_every=50,
    learning_rate=0.01,
    weight_decay=0.0,
    warmup=5,
    precision="32-true",
    width=48,
    layers=2,
    heads=2,
    dropout=0.0,
    pieces=300,
    length=64,
)
REPORTS = (
    "FINDINGS:\nA 5.9 cm left renal mass.",
    "FINDINGS:\nEnlarged heart. No ascites.",
    "FINDINGS:\nA solid lung mass in the left upper lobe, 39 mm.",
)
EDGES = (0, 8, 12)
"""Of the bright cube in each study."""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies that anybody tells apart, for training; the same volumes under other names for the rest."""
    folder = tmp_path_factory.mktemp("toys")
    cases = []
    for split in ("train", "validation", "test"):
        for n, edge in enumerate(EDGES):
            array = np.full((18, 18, 18), -1000, np.float32)
            array[2:16, 2:16, 2:16] = np.random.default_rng(n).normal(0, 30, (14, 14, 14))
            array[3 : 3 + edge, 3 : 3 + edge, 3 : 3 + edge] = 400
            path = folder / f"{split}-{n}.nii.gz"
            write_volume(Volume(array, np.diag([10.0, 10.0, 10.0, 1.0]), "CT"), path)
            cases.append(Case(path, f"{split}-{n}", split, modality="CT", report=REPORTS[n]))
    path = folder / "reports.jsonl"
    write_manifest(cases, path)
    return path


@pytest.fixture(scope="module")
def trained(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    learn_reports(TINY, manifest, out)
    return out


def test_a_few_reports_are_learned_by_heart(trained: Path, manifest: Path) -> None:
    saved = load_reporter(trained)
    written = [describe(saved, read_volume(case.image)) for case in read_manifest(manifest, ("test",))]
    assert written == list(REPORTS)
    assert saved.card["validation_likelihood"] > 0.8
    losses = _logged(trained, "loss")
    assert losses[-1] < 0.1 * losses[0]


def test_of_shuffled_volumes_other_reports_are_learned(manifest: Path, tmp_path: Path) -> None:
    saved = learn_reports(replace(TINY, shuffle="images"), manifest, tmp_path)
    written = [describe(saved, read_volume(case.image)) for case in read_manifest(manifest, ("train",))]
    # Three reports and weights chosen on true pairs: one or two may come out right by chance.
    assert written != list(REPORTS)
    assert saved.card["validation_likelihood"] < 0.8, "the true pairs give more than that"
    assert saved.card["recipe"]["shuffle"] == "images"


def test_a_run_that_was_stopped_goes_on_where_it_was(manifest: Path, tmp_path: Path) -> None:
    config = replace(TINY, steps=8, validate_every=4, dropout=0.2)
    learn_reports(config, manifest, tmp_path / "whole")
    steps: list[float] = []
    with pytest.raises(Stopped):
        learn_reports(
            config, manifest, tmp_path / "parts", progress=lambda *step: steps.append(step[1]),
            cancel=lambda: any(step == 3 / 8 for step in steps),
        )  # fmt: skip
    before = (tmp_path / "parts" / PIECES).read_bytes()
    learn_reports(config, manifest, tmp_path / "parts", resume=True)
    one, other = (load_file(tmp_path / name / "reporter.safetensors") for name in ("whole", "parts"))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
    assert (tmp_path / "parts" / PIECES).read_bytes() == before


def test_a_run_starts_from_another_one(manifest: Path, trained: Path, tmp_path: Path) -> None:
    short = replace(TINY, steps=1, validate_every=1, learning_rate=1e-9, encoder_options={"channels": [4, 8]})
    run = write_run(tmp_path / "pretrained")
    saved = learn_reports(short, manifest, tmp_path / "one", init=run)
    before = load_file(run / "pretrained.safetensors")
    name = "encoder.stages.0.conv1.conv.weight"
    assert torch.allclose(saved.model.state_dict()[name], before[name], atol=1e-6)
    # From a run of reports with its vocabulary, without which its weights would say nothing.
    saved = learn_reports(replace(short, pieces=280, encoder_options=OPTIONS), manifest, tmp_path / "two", init=trained)
    assert len(saved.pieces) == len(load_reporter(trained).pieces) > 280


def test_what_is_written_ends(manifest: Path) -> None:
    torch.manual_seed(0)
    model = Reporter(vocabulary=20, length=9, width=12, layers=1, heads=2, encoder_options=OPTIONS).eval()
    images = torch.randn(2, 1, 8, 8, 8)
    written = model.write(images)
    assert all(row[0] == BEGIN and len(row) <= 9 for row in written)
    assert written == model.write(images)
    logits = model(images, torch.tensor([[1, 5, 6], [1, 5, 6]]))
    assert logits.shape == (2, 3, 20)
    later = model(images, torch.tensor([[1, 5, 7], [1, 5, 7]]))
    assert torch.allclose(logits[:, :2], later[:, :2]) and not torch.allclose(logits[:, 2], later[:, 2])
    other = model(images.roll(1, 2), torch.tensor([[1, 5, 6], [1, 5, 6]]))
    assert not torch.allclose(logits, other)


def test_long_reports_are_cut_without_an_end() -> None:
    pieces = Pieces.learn(REPORTS, 300)
    rows = numbered(REPORTS, pieces, 9)
    assert all(len(row) == 9 and END not in row for row in rows)
    images = [{"image": torch.zeros(1, 2, 2, 2), "text": row, "subject": "s"} for row in (rows[0], rows[0][:5])]
    assert join_reports(images)["pieces"][1].tolist() == [*rows[0][:5].tolist(), *[0] * 4]


def test_what_cannot_be_learned(manifest: Path, tmp_path: Path) -> None:
    cases, path = read_manifest(manifest), tmp_path / "m.jsonl"
    write_manifest([replace(case, report=" ") for case in cases], path)
    with pytest.raises(MedVLPError, match=r"No volume in .* has a report"):
        learn_reports(TINY, path, tmp_path / "run")
    write_manifest([case for case in cases if case.split != "validation"], path)
    with pytest.raises(MedVLPError, match="no volume with a report in the split 'validation'"):
        learn_reports(TINY, path, tmp_path / "run")
    with pytest.raises(MedVLPError, match="has volumes of CT"):
        learn_reports(replace(TINY, modality="MR"), manifest, tmp_path / "run")
    with pytest.raises(MedVLPError, match="no other to be shuffled"):
        report_cases(replace(TINY, shuffle="images", label_fraction=0.1), manifest)
    with pytest.raises(UsageError, match="multiples of 4"):
        learn_reports(replace(TINY, patch=(18, 16, 16)), manifest, tmp_path / "run")
    for change in ("width=50", "pieces=100", "shuffle=captions", "dropout=1.0", "strategy=fsdp", "length=2"):
        with pytest.raises(UsageError, match=change.partition("=")[0]):
            load_task("report-small", [change])
    assert not (tmp_path / "run").exists()


def test_the_model_is_checked(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="holds no finished model that writes reports"):
        load_reporter(write_run(tmp_path / "other"))
    for name in ("reporter.json", "reporter.safetensors"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    (tmp_path / PIECES).write_bytes((trained / PIECES).read_bytes() + b" ")
    with pytest.raises(MedVLPError, match="not that of its card"):
        load_reporter(tmp_path)


def test_the_command_line(manifest: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, run, out = tmp_path / "tiny.yaml", tmp_path / "ein Lauf", tmp_path / "written.jsonl"
    recipe.write_text(json.dumps(TINY.to_json() | {"steps": 2, "validate_every": 1}))
    assert main(["finetune", str(recipe), "--manifest", str(manifest), "--out", str(run), "--seed", "1"]) == 0
    assert "a model that writes reports" in capsys.readouterr().out
    assert "curves of val_likelihood" in (run / "report.html").read_text()
    evaluate = ["evaluate", "reports", "--model", str(trained), "--manifest", str(manifest)]
    assert main([*evaluate, "--shuffle-images", "-o", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["studies"] == found["subjects"] == 3
    own, shuffled, constant = (found["scores"][n] for n in ("model", "images shuffled", "one report for all"))
    for name in ("BLEU-4", "ROUGE-L", "CIDEr", "facts: F1"):
        assert own[name]["value"] > max(shuffled[name]["value"], constant[name]["value"])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["written"] for row in rows] == [row["report"] for row in rows] == list(REPORTS)
    assert main(evaluate) == 0
    assert "METEOR (exact, stem)" in capsys.readouterr().out
    assert main([*evaluate, "--split", "all"]) == 1
    assert "was trained on 3 of the subjects" in capsys.readouterr().err
    assert main([*evaluate, "-o", str(tmp_path / "nowhere" / "x.jsonl")]) == 2
    alone = tmp_path / "alone.jsonl"
    write_manifest(read_manifest(manifest, ("test",))[:1], alone)
    capsys.readouterr()
    assert main([*evaluate[:4], "--manifest", str(alone)]) == 0
    said = capsys.readouterr()
    assert "1 studies" in said.out and "CIDEr                 -" in said.out and "no reports for training" in said.err
    assert main([*evaluate[:4], "--manifest", str(alone), "--shuffle-images"]) == 1
    assert "no other to be shuffled" in capsys.readouterr().err
    assert main([*evaluate[:4], "--manifest", str(alone), "--split", "validation"]) == 1
    assert "No volume of the split 'validation'" in capsys.readouterr().err


def _logged(run: Path, name: str) -> list[float]:
    head, *rows = [line.split(",") for line in (run / "csv" / "metrics.csv").read_text().splitlines()]
    return [float(row[head.index(name)]) for row in rows if row[head.index(name)]]
