"""Results that others can read, complete or not there at all."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.segmentation import Segment, Segmentation
from vlp3d_core.volume.volume import Source, Volume
from vlp3d_core.volume.write import check_writable, write_segmentation

ANATOMY = ("SCT", "123037004", "Anatomical Structure")
LIVER = Segment(3, "liver", "Liver", (221, 130, 101), ANATOMY, ("SCT", "10200004", "Liver"), None, 0.93, 1.5, True)
LEFT = ("SCT", "7771000", "Left")
KIDNEY = Segment(
    9, "kidney_left", "Linke Niere – ü", (185, 102, 83), ANATOMY, ("SCT", "64033007", "Kidney"), LEFT, 0.5, 0.2, True
)
SPLEEN = Segment(2, "spleen", "Spleen", (157, 108, 162), ANATOMY, ("SCT", "78961009", "Spleen"), None, 0.1)
ENDINGS = (".seg.nrrd", ".nii.gz", ".nii")


def affine(left_handed: bool = False, shear: float = 0.0) -> NDArray[np.float64]:
    matrix = np.eye(4)
    turn = Rotation.from_euler("xyz", (10, -25, 140), degrees=True).as_matrix()
    matrix[:3, :3] = turn @ np.diag([-0.8 if left_handed else 0.8, 1.1, 2.5])
    matrix[:3, 2] += shear * matrix[:3, 1]
    matrix[:3, 3] = (12, -34, 56)
    return matrix


def segmentation(matrix: NDArray[np.float64] | None = None, shape: tuple[int, int, int] = (20, 17, 9)) -> Segmentation:
    labels = np.zeros(shape, np.uint16)
    labels[2:9, 3:15, 1:2] = 3
    labels[12:19, 0:4, 1:3] = 9
    segments = (SPLEEN, LIVER, KIDNEY)
    notes = ("The tile was reduced.",)
    return Segmentation(labels, affine() if matrix is None else matrix, segments, "demo", notes=notes)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("left_handed", [False, True])
def test_voxels_and_places_survive(tmp_path: Path, ending: str, left_handed: bool) -> None:
    written = segmentation(affine(left_handed))
    path = tmp_path / "mit Leerzeichen" / f"Zähne 牙.v2{ending}"
    path.parent.mkdir()
    write_segmentation(written, path)
    if ending == ".seg.nrrd":
        image = sitk.ReadImage(str(path))
        array = sitk.GetArrayFromImage(image).T
        ends = [image.TransformIndexToPhysicalPoint(p) for p in ((0, 0, 0), (19, 3, 7))]
        ends = [(-x, -y, z) for x, y, z in ends]
    else:
        loaded = nib.load(path)
        array = np.asarray(loaded.dataobj)
        ends = [(loaded.affine @ [*p, 1])[:3] for p in ((0, 0, 0), (19, 3, 7))]
        assert np.allclose(loaded.get_qform(), loaded.get_sform(), atol=1e-4)
        assert loaded.header["sform_code"] == 1 and loaded.header["qform_code"] == 1
        assert loaded.header.get_xyzt_units()[0] == "mm"
        assert array.dtype == np.uint8
    assert np.array_equal(array, written.labels)
    assert np.allclose(ends, [(written.affine @ [*p, 1])[:3] for p in ((0, 0, 0), (19, 3, 7))], atol=1e-3)
    companions = {".json"} if ending != ".seg.nrrd" else set()
    assert {p.name for p in path.parent.iterdir()} == {path.name, *(f"Zähne 牙.v2{c}" for c in companions)}


def test_wide_labels_need_sixteen_bits(tmp_path: Path) -> None:
    wide = replace(segmentation(), segments=(replace(LIVER, value=300),))
    write_segmentation(wide, tmp_path / "a.nii.gz")
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == np.uint16


def test_sidecar_lists_every_structure(tmp_path: Path) -> None:
    write_segmentation(segmentation(), tmp_path / "out.nii.gz")
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert content["model"] == "demo"
    assert content["notes"] == ["The tile was reduced."]
    assert [label["concept"] for label in content["labels"]] == ["spleen", "liver", "kidney_left"]
    assert content["labels"][1] == {
        "value": 3, "concept": "liver", "name": "Liver", "score": 0.93, "volume_ml": 1.5, "found": True,
    }  # fmt: skip
    assert content["labels"][0]["found"] is False


def test_seg_nrrd_names_only_what_is_there(tmp_path: Path) -> None:
    write_segmentation(segmentation(), tmp_path / "a.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    assert header["Segment0_ID"] == "liver" and header["Segment1_ID"] == "kidney_left"
    assert "Segment2_ID" not in header
    assert header["Segment0_Extent"] == "2 8 3 14 1 1"
    assert header["Segment1_LabelValue"] == "9"
    assert header["Segment1_Name"] == KIDNEY.name
    assert header["MedVLP.NotFound"] == "spleen"
    assert "MedVLP.Score:0.9300|" in header["Segment0_Tags"]


def test_separators_in_names_do_no_harm(tmp_path: Path) -> None:
    odd = replace(LIVER, name="a|b\nSegment9_ID:=x", type=("99A", "1", "li^ver~x|y"))
    write_segmentation(replace(segmentation(), segments=(odd,)), tmp_path / "a.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert image.GetMetaData("Segment0_Name") == "a b Segment9_ID:=x"
    assert not image.HasMetaDataKey("Segment9_ID")
    assert "~99A^1^li ver x y~" in image.GetMetaData("Segment0_Tags")


def test_sheared_grids(tmp_path: Path) -> None:
    sheared = segmentation(affine(shear=0.3))
    with pytest.raises(MedVLPError, match=r"perpendicular.*\.nii\.gz"):
        write_segmentation(sheared, tmp_path / "a.seg.nrrd")
    with pytest.raises(MedVLPError, match="perpendicular"):
        check_writable(tmp_path / "a.seg.nrrd", Volume(np.zeros((2, 2, 2), np.float32), sheared.affine))
    write_segmentation(sheared, tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    assert np.allclose(image.affine, sheared.affine, atol=1e-4)
    assert image.header["qform_code"] == 0
    assert not (tmp_path / "a.seg.nrrd").exists()


@pytest.mark.parametrize("name", ["out.mha", "out", "out.gz", ".nii.gz"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    for work in (lambda p: write_segmentation(segmentation(), p), check_writable):
        with pytest.raises(UsageError, match=r"\.seg\.nrrd, \.nrrd, \.nii\.gz, \.nii, \.dcm"):
            work(tmp_path / name)


@pytest.mark.parametrize("ending", ENDINGS)
def test_folders_are_checked_first(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"folder{ending}").mkdir()
    (tmp_path / "file").touch()
    long_name = "x" * 300 + ending
    for bad in (tmp_path / "missing" / f"a{ending}", tmp_path / f"folder{ending}", tmp_path / "file" / f"a{ending}",
                tmp_path / long_name):  # fmt: skip
        with pytest.raises(MedVLPError, match="Cannot write"):
            check_writable(bad)
        with pytest.raises(MedVLPError, match="Cannot write"):
            write_segmentation(segmentation(), bad)
    check_writable(tmp_path / f"a{ending}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", f"folder{ending}"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_leaves_nothing(tmp_path: Path, ending: str) -> None:
    import resource
    import signal

    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 60)).astype(np.uint8)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(MedVLPError, match="Cannot write"):
            write_segmentation(replace(segmentation(), labels=noise), tmp_path / f"a{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_an_older_result_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    path.write_bytes(b"old")
    write_segmentation(segmentation(), path)
    assert nib.load(path).shape == (20, 17, 9)
    assert not os.access(path, os.X_OK)


def test_dicom_needs_a_dicom_source(tmp_path: Path) -> None:
    for work in (
        lambda: write_segmentation(segmentation(), tmp_path / "a.dcm"),
        lambda: check_writable(tmp_path / "a.dcm", Volume(np.zeros((2, 2, 2), np.float32), np.eye(4), "CT", Source())),
    ):
        with pytest.raises(MedVLPError, match=r"not a DICOM series.*\.seg\.nrrd"):
            work()
    assert not list(tmp_path.iterdir())
