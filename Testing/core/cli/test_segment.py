"""`vlp3d segment`: the files on disk are what was found, and the command says the same."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from Testing.core.cli.conftest import Run
from Testing.core.tiny import BANDS, toy_grid, toy_labels
from Testing.core.volume.conftest import ct_slice
from vlp3d_core.volume import Volume

ROOT = Path(__file__).parents[3]
NAMES = tuple(BANDS)


def test_a_nifti_result_with_its_names(vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "organs.nii.gz", "--model", "ct-tiny")
    assert done.code == 0
    assert sorted(path.name for path in out.iterdir()) == ["organs.json", "organs.nii.gz"]
    image = nib.load(out / "organs.nii.gz")
    assert np.allclose(image.affine, nib.load(scan).affine, atol=1e-4)
    assert np.array_equal(np.asarray(image.dataobj), toy_labels(toy_grid()))
    beside = json.loads((out / "organs.json").read_text(encoding="utf-8"))
    assert beside["model"] == "ct-tiny"
    assert [row["concept"] for row in beside["labels"]] == list(NAMES)
    assert set(beside["labels"][0]) == {"value", "concept", "name", "score", "volume_ml", "found"}
    assert "Left parotid gland" in done.out
    assert "7 of 7 found" in done.out
    assert done.err.startswith("vlp3d: note: about ")


def test_json_says_what_the_file_says(vlp3d: Run, scan: Path, out: Path) -> None:
    table = out / "rows.csv"
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--table", table, "--json")
    result, beside = done.json, json.loads((out / "o.json").read_text(encoding="utf-8"))
    assert result["labels"] == beside["labels"]
    assert set(result) == {"model", "output", "table", "labels", "notes", "report", "estimate"}
    assert (result["output"], result["table"]) == (str(out / "o.nii.gz"), str(table))
    assert result["estimate"]["memory_bytes"] > 0
    assert len(result["estimate"]["tile"]) == 3
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["concept"] for row in rows] == list(NAMES)
    assert [float(row["volume_ml"]) for row in rows] == pytest.approx([row["volume_ml"] for row in result["labels"]])


def test_a_slicer_segmentation(vlp3d: Run, scan: Path, out: Path) -> None:
    assert vlp3d("segment", scan, "-o", out / "o.seg.nrrd", "--model", "ct-tiny").code == 0
    image = sitk.ReadImage(str(out / "o.seg.nrrd"))
    assert image.GetSize() == toy_grid().shape
    assert {image.GetMetaData(f"Segment{n}_Name") for n in range(7)} >= {"Mandible", "Right parotid gland"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mandible", {"mandible"}),
        ("left parotid, mandible", {"parotid_gland_left", "mandible"}),
        ("parotid, left", {"parotid_gland_left"}),
        ("parotid, left, brainstem", {"parotid_gland_left", "brainstem"}),
        ("both parotids,trachea", {"parotid_gland_left", "parotid_gland_right", "trachea"}),
        ("spinal_cord,parotid_gland_right", {"spinal_cord", "parotid_gland_right"}),
    ],
)
def test_structures_as_people_type_them(text: str, expected: set[str], vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--structures", text, "--json")
    rows = done.json["labels"]
    assert {row["concept"] for row in rows} == expected
    assert all(row["found"] for row in rows)
    found = np.unique(np.asarray(nib.load(out / "o.nii.gz").dataobj))
    assert found.tolist() == list(range(len(expected) + 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gobbledygook", "gobbledygook"),
        ("mandible, gobbledygook", "gobbledygook"),
        ("mandibel-xyzzy", "mandible"),
        ("liver", "not trained on liver"),
        ("mandible,liver", "not trained on liver"),
        ("", "--structures"),
        (",", "is no known structure"),
        ("everything except the mandible", "no structure"),
    ],
)
def test_structures_that_are_not_known(text: str, said: str, vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--structures", text)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert list(out.iterdir()) == []


def test_only_in_a_box(vlp3d: Run, scan: Path, out: Path) -> None:
    """RAS mm: the right half (first axis positive) holds the right parotid and not the left one."""
    arguments = ("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--json", "--structures", "parotids")
    rows = {r["concept"]: r for r in vlp3d(*arguments, "--roi=10,80,-70,70,-60,60").json["labels"]}
    assert rows["parotid_gland_right"]["found"]
    assert not rows["parotid_gland_left"]["found"]
    done = vlp3d(*arguments[:6], "--structures", "parotids", "--roi=10,80,-70,70,-60,60")
    assert "nothing found" in done.out


@pytest.mark.parametrize("roi", ["1,2,3", "a,b,c,d,e,f", "5,1,0,9,0,9", "0,nan,0,1,0,1"])
def test_a_box_that_is_none(roi: str, vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", f"--roi={roi}")
    assert done.code == 2
    assert "x0,x1,y0,y1,z0,z1" in done.err
    assert list(out.iterdir()) == []


def test_a_box_outside_the_volume(vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--roi=500,600,0,10,0,10")
    assert done.code == 2
    assert "outside the volume" in done.err
    assert list(out.iterdir()) == []


def test_names_of_any_script_spaces_and_length(vlp3d: Run, scan: Path, out: Path) -> None:
    folder = out / "Ünïcode mit Leerzeichen 扫描" / ("x" * 200)
    folder.mkdir(parents=True)
    source = folder / ("ä b" * 40 + ".nii.gz")
    source.write_bytes(scan.read_bytes())
    for ending in (".nii.gz", ".seg.nrrd"):
        target = folder / ("结果 " * 15 + ending)
        assert vlp3d("segment", source, "-o", target, "--model", "ct-tiny", "--table", folder / "ü.csv").code == 0
        assert target.stat().st_size > 0


def test_dicom_in_and_dicom_out(vlp3d: Run, toy_head: Volume, tmp_path: Path, out: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    folder = write_dicom(toy_head, tmp_path / "series")
    done = vlp3d("segment", folder, "-o", out / "o.dcm", "--model", "ct-tiny", "--json")
    assert done.code == 0, done.err
    assert {row["concept"] for row in done.json["labels"] if row["found"]} == set(NAMES)
    written = pydicom.dcmread(out / "o.dcm")
    assert written.Modality == "SEG"
    assert len(written.SegmentSequence) == len(NAMES)


def test_dicom_out_needs_dicom_in(vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.dcm", "--model", "ct-tiny")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert list(out.iterdir()) == []


def test_segment_never_loads_the_text_tower(tiny_bundle: Path, scan: Path, out: Path) -> None:
    """Concept vectors lie in the bundle: no language model is needed, and nothing of training."""
    arguments = ["segment", str(scan), "-o", str(out / "o.nii.gz"), "--model", str(tiny_bundle)]
    code = (
        "import sys; from vlp3d_core.cli.main import main\n"
        f"code = main({arguments!r})\n"
        "print(code, *sorted({'vlp3d_core.text.encoder', 'lightning', 'highdicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"


def write_dicom(volume: Volume, folder: Path) -> Path:
    """A CT series of axial slices; the volume's axes run along R, A and S."""
    from pydicom.uid import generate_uid

    folder.mkdir()
    i, j, k = volume.spacing
    place, uid, frame = volume.affine[:3, 3], generate_uid(), generate_uid()
    study = generate_uid()
    for n in range(volume.shape[2]):
        dataset = ct_slice(volume.array[::-1, ::-1, n].round().astype(int), (i, j, k))
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID, dataset.StudyInstanceUID = uid, frame, study
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "A^B", "1", "", ""
        dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = dataset.StudyID = ""
        dataset.ReferringPhysicianName = ""
        dataset.InstanceNumber = n + 1
        dataset.SliceThickness = k
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        last = (volume.shape[0] - 1) * i + place[0], (volume.shape[1] - 1) * j + place[1]
        dataset.ImagePositionPatient = [float(-last[0]), float(-last[1]), float(place[2] + n * k)]
        dataset.save_as(folder / f"{n:03d}.dcm", enforce_file_format=True)
    return folder
