"""Files in, tables out: label maps, sidecars, folders of predictions, the command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.cases import Case, find_predictions, named, pairs_from_folder, pairs_from_model
from vlp3d_core.evaluate.labelmap import read_label_map, stem_of
from vlp3d_core.evaluate.segmentation import evaluate_cases
from vlp3d_core.evaluate.table import text_table, write_csv, write_json
from vlp3d_core.volume import Segment, Segmentation, write_segmentation

NAMES = {1: "liver", 2: "spleen"}
Write = Callable[..., Path]


def write_seg_nrrd(path: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    """A .seg.nrrd by SimpleITK, from a RAS affine."""
    image = sitk.GetImageFromArray(labels.T)
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    for index, (value, concept) in enumerate(NAMES.items()):
        image.SetMetaData(f"Segment{index}_ID", concept)
        image.SetMetaData(f"Segment{index}_LabelValue", str(value))
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def study(tmp_path: Path, labels: np.ndarray, write_nifti: Write) -> dict[str, Case]:
    """Three patients with references and images in files."""
    cases = []
    for name in ("p1", "p2", "p3"):
        label = write_nifti(tmp_path / "study" / f"{name}_organs.nii.gz", labels)
        image = write_nifti(tmp_path / "study" / f"{name}_ct.nii.gz", labels.astype(np.float32) * 40)
        cases.append(Case(name, label, NAMES, image=image, modality="CT"))
    return named(cases)


@pytest.fixture
def predictions(tmp_path: Path, labels: np.ndarray, write_nifti: Write, affine: np.ndarray) -> Path:
    """Their predictions: by subject, by image name, and as .seg.nrrd; the third is off by one voxel."""
    folder = tmp_path / "predictions"
    write_nifti(folder / "p1.nii.gz", labels, NAMES)
    write_nifti(
        folder / "p2_ct.nii.gz", np.where(labels > 0, 3 - labels, 0).astype(np.uint8), {1: "spleen", 2: "liver"}
    )
    write_seg_nrrd(folder / "p3.seg.nrrd", np.roll(labels, 1, axis=2), affine)
    return folder


def manifest(study: dict[str, Case], path: Path) -> Path:
    always = {"labels": {"1": "liver", "2": "spleen"}, "contoured": ["liver", "spleen"], "split": "test"}
    lines = [
        {"subject": name, "image": f"study/{name}_ct.nii.gz", "label": f"study/{name}_organs.nii.gz"} | always
        for name in study
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_folder_of_predictions(study: dict[str, Case], predictions: Path) -> None:
    files, notes = find_predictions(study, predictions)
    scores = evaluate_cases(pairs_from_folder(study, files), notes=notes)
    dice = {(row.case, row.structure): row.score.dice for row in scores.rows}
    assert dice[("p1", "liver")] == dice[("p2", "liver")] == dice[("p2", "spleen")] == 1
    assert dice[("p3", "liver")] == pytest.approx(0.75)
    assert dice[("p3", "spleen")] == pytest.approx(0.5)
    assert notes == ()


def test_folder_problems(
    study: dict[str, Case], predictions: Path, labels: np.ndarray, write_nifti: Write, tmp_path: Path
) -> None:
    write_nifti(predictions / "somebody.nii.gz", labels, NAMES)
    assert "1 other predictions" in find_predictions(study, predictions)[1][0]
    write_nifti(predictions / "p1_ct.nii.gz", labels, NAMES)
    with pytest.raises(MedVLPError, match=r"p1 has 2 predictions .*p1.nii.gz"):
        find_predictions(study, predictions)
    (predictions / "p1_ct.nii.gz").unlink()
    (predictions / "p2_ct.nii.gz").unlink()
    with pytest.raises(MedVLPError, match="no prediction for p2"):
        find_predictions(study, predictions)
    with pytest.raises(MedVLPError, match="does not exist"):
        find_predictions(study, tmp_path / "elsewhere")


def test_cases_are_told_apart(study: dict[str, Case]) -> None:
    one = study["p1"]
    other = Case("p1", one.label, NAMES, image=one.label)
    assert list(named([one, other, study["p2"]])) == ["p1_ct", "p1_organs", "p2"]
    with pytest.raises(MedVLPError, match="p1_ct occur twice"):
        named([one, one])
    with pytest.raises(MedVLPError, match="no cases"):
        named([])


def test_model_run_now(study: dict[str, Case], labels: np.ndarray, affine: np.ndarray) -> None:
    code = ("SCT", "1", "x")
    segments = tuple(Segment(v, c, c, (0, 0, 0), code, code, found=True) for v, c in NAMES.items())
    asked: list[str] = []

    def segment(case: Case) -> Segmentation:
        asked.append(case.subject)
        return Segmentation(labels, affine, segments)

    scores = evaluate_cases(pairs_from_model(study, segment))
    assert asked == ["p1", "p2", "p3"]
    assert scores.mean.metrics["dice"].mean == 1
    with pytest.raises(MedVLPError, match="no image for gone"):
        list(pairs_from_model({"gone": Case("gone", study["p1"].label, NAMES)}, segment))


def test_seg_nrrd_lies_where_the_nifti_lies(
    tmp_path: Path, labels: np.ndarray, affine: np.ndarray, write_nifti: Write
) -> None:
    one = read_label_map(write_seg_nrrd(tmp_path / "a.seg.nrrd", labels, affine))
    other = read_label_map(write_nifti(tmp_path / "a.nii.gz", labels, NAMES))
    assert one.values == other.values == NAMES
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-4)
    np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize(
    ("name", "stem"), [("a.nii.gz", "a"), ("a.b.SEG.NRRD", "a.b"), ("ä ö.nii", "ä ö"), ("a.mha", "a"), ("a", "a")]
)
def test_stem(name: str, stem: str) -> None:
    assert stem_of(Path("x.y") / name) == stem


def test_not_a_label_map(tmp_path: Path, labels: np.ndarray, affine: np.ndarray, write_nifti: Write) -> None:
    half, low, big = (labels.astype(np.float32) for _ in range(3))
    half[0, 0, 0], low[0, 0, 0], big[0, 0, 0] = 0.5, -1024, 1e6
    for array in (half, low, big):
        with pytest.raises(MedVLPError, match="not a label map"):
            read_label_map(write_nifti(tmp_path / "x.nii.gz", array), NAMES)
    with pytest.raises(MedVLPError, match="4D"):
        read_label_map(write_nifti(tmp_path / "x.nii.gz", np.stack([labels, labels], -1)), NAMES)
    whole = read_label_map(write_nifti(tmp_path / "x.nii.gz", labels.astype(np.float32)[..., None]), NAMES)
    np.testing.assert_array_equal(whole.labels, labels)


def test_broken_files(tmp_path: Path, labels: np.ndarray, affine: np.ndarray, write_nifti: Write) -> None:
    path = write_nifti(tmp_path / "x.nii.gz", labels)
    with pytest.raises(MedVLPError, match=r"x\.json.* does not exist"):
        read_label_map(path)
    for text in ("", "[]", "{}", '{"labels": [{"value": "one", "concept": "liver"}]}', '{"labels": [{"value": 1}]}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(MedVLPError, match="does not say"):
            read_label_map(path)
    (tmp_path / "x.json").write_text('{"labels": [{"value": 1, "concept": "a"}, {"value": 1, "concept": "b"}]}')
    with pytest.raises(MedVLPError, match="two meanings"):
        read_label_map(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MedVLPError, match=r"x\.nii\.gz"):
        read_label_map(path, NAMES)
    (tmp_path / "y.seg.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(MedVLPError, match=r"y\.seg\.nrrd"):
        read_label_map(tmp_path / "y.seg.nrrd")
    with pytest.raises(MedVLPError, match="does not exist"):
        read_label_map(tmp_path / "z.nii.gz", NAMES)


def test_what_our_own_writer_wrote(tmp_path: Path, labels: np.ndarray, affine: np.ndarray) -> None:
    code = ("SCT", "1", "x")
    segments = [Segment(v, c, c, (0, 0, 0), code, code, found=True) for v, c in NAMES.items()]
    lost = Segment(3, "kidney_left", "Left kidney", (0, 0, 0), code, code)
    for name in ("a.nii.gz", "a.seg.nrrd"):
        write_segmentation(Segmentation(labels, affine, (*segments, lost)), tmp_path / name)
        back = read_label_map(tmp_path / name)
        assert back.concepts == {"liver", "spleen", "kidney_left"}
        assert back.values_of("spleen") == [2]
        np.testing.assert_array_equal(back.labels, labels)
        np.testing.assert_allclose(back.affine, affine, atol=1e-4)


def test_tables(study: dict[str, Case], predictions: Path, tmp_path: Path) -> None:
    scores = evaluate_cases(pairs_from_folder(study, find_predictions(study, predictions)[0]), notes=["A note."])
    lines = text_table(scores).splitlines()
    assert lines[0].split()[:3] == ["structure", "n", "missed"]
    assert lines[2].startswith("liver ")
    assert "0.917 ± 0.144 [0.750, 1.000]" in lines[2]
    assert lines[5].startswith("mean ")
    assert lines[-1] == "A note."
    write_csv(scores, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert (rows[4]["subject"], rows[4]["structure"], rows[4]["status"]) == ("p3", "liver", "scored")
    assert float(rows[4]["dice"]) == pytest.approx(0.75)
    write_json(scores, tmp_path / "scores.json")
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert written["mean"]["metrics"]["dice"]["n"] == 6
    assert written["rows"][4]["status"] == "scored"
    with pytest.raises(MedVLPError, match="Cannot write"):
        write_json(scores, tmp_path / "nowhere" / "scores.json")


def test_command(study: dict[str, Case], predictions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = manifest(study, tmp_path / "m.jsonl")
    command = ["evaluate", "segmentation", "--manifest", str(lines), "--predictions", str(predictions)]
    outputs = ["-o", str(tmp_path / "s.json"), "--csv", str(tmp_path / "r.csv")]
    assert main([*command, *outputs, "--tolerance", "3"]) == 0
    assert "surface Dice 3 mm" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["tolerance_mm"] == 3
    assert (tmp_path / "r.csv").read_text(encoding="utf-8").count("\n") == 7
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 3
    (predictions / "p1.nii.gz").unlink()
    assert main(command) == 1
    assert "no prediction for p1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["evaluate", "segmentation", "--manifest", "m.jsonl"],
        ["evaluate", "segmentation", "--manifest", "m.jsonl", "--predictions", "a", "--model", "b"],
        ["evaluate", "segmentation", "--manifest", "m.jsonl", "--model", "b", "-o", "nowhere/at/all.json"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
