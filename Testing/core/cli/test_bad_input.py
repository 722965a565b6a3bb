"""Whatever is wrong with the input, the model or the disk: one line, an exit code, and no half-written file."""

from __future__ import annotations

import gzip
import shutil
import types
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest

from Testing.core.cli.conftest import Run, refused
from Testing.core.cli.test_segment import write_dicom
from Testing.core.tiny import toy_grid, toy_head, toy_labels
from vlp3d_core.volume import Volume
from vlp3d_core.volume.write_image import write_volume

ROOT = Path(__file__).parents[3]
GRID = toy_grid()
HEAD = toy_head()


def saved(array: np.ndarray, affine: np.ndarray = GRID.affine) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        image = nib.Nifti1Image(array.astype(np.float32), None)
        image.set_sform(affine, code=1)
        image.set_qform(None, code=0)
        nib.save(image, folder / "scan.nii.gz")
        return folder / "scan.nii.gz"

    return make


def content(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def truncated(folder: Path) -> Path:
    path = saved(HEAD.array)(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def nrrd(directions: str) -> Callable[[Path], Path]:
    header = (
        "NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\nsizes: 12 12 12\n"
        f"space directions: {directions}\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        "space origin: (0,0,0)\n\n"
    )
    return content("scan.nrrd", header.encode() + HEAD.array[5:17, 5:17, 5:17].tobytes())


def with_values(**values: float) -> np.ndarray:
    array = HEAD.array.copy()
    array[:] = next(iter(values.values()))
    return array


SHEAR = GRID.affine.copy()
SHEAR[0, 1] = 4.0
SINGULAR = GRID.affine.copy()
SINGULAR[:3, 2] = SINGULAR[:3, 1]

FILES = {
    "missing": (lambda folder: folder / "nothing.nii.gz", "does not exist"),
    "empty": (content("scan.nii.gz", b""), "is empty"),
    "truncated": (truncated, "truncated or damaged"),
    "not gzip": (content("scan.nii.gz", b"hello" * 200), "scan.nii.gz"),
    "text as nrrd": (content("scan.nrrd", b"hello" * 200), "scan.nrrd"),
    "an unknown kind": (content("scan.txt", b"hello" * 200), "known format"),
    "a picture": (content("scan.png", b"\x89PNG\r\n\x1a\n" + bytes(400)), "known format"),
    "gzipped text": (content("scan.nii.gz", gzip.compress(b"hello" * 200)), "scan.nii.gz"),
    "2D": (saved(HEAD.array[:, :, :1]), "2D image"),
    "4D": (saved(np.stack([HEAD.array] * 2, axis=3)), "4D image of 2 frames"),
    "only NaN": (saved(with_values(nan=np.nan)), "no finite voxel"),
    "only infinity": (saved(with_values(inf=np.inf)), "no finite voxel"),
    "constant": (saved(with_values(zero=0)), "shows nothing"),
    "zero spacing": (nrrd("(0,0,0) (0,4,0) (0,0,4)"), "scan.nrrd"),
    "singular": (saved(HEAD.array, SINGULAR), "scan.nii.gz"),
    "sheared": (saved(HEAD.array, SHEAR), "scan.nii.gz"),
    "a label map": (saved(toy_labels(GRID)), "label map"),
    "an empty folder": (lambda folder: folder, "in"),
    "a name too long": (lambda folder: folder / ("x" * 300 + ".nii.gz"), "too long"),
    "a NUL in the name": (lambda folder: folder / "a\0b.nii.gz", "does not exist"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_cannot_be_used(kind: str, vlp3d: Run, tmp_path: Path, out: Path) -> None:
    make, said = FILES[kind]
    (tmp_path / "in").mkdir()
    path = make(tmp_path / "in")
    refused(vlp3d("segment", path, "-o", out / "o.nii.gz", "--model", "ct-tiny"), 1, said, out)
    refused(vlp3d("find", path, "mandible", "-o", out / "m.seg.nrrd", "--model", "ct-tiny"), 1, said, out)


def test_errors_as_json(vlp3d: Run, tmp_path: Path, out: Path) -> None:
    done = vlp3d("segment", tmp_path / "nothing.nii.gz", "-o", out / "o.nii.gz", "--model", "ct-tiny", "--json")
    assert done.code == 1
    assert set(done.json["error"]) == {"cause", "remedy"}
    assert done.err.count("\n") == 1


def test_some_nan_and_infinities_are_mended_and_said(vlp3d: Run, tmp_path: Path, out: Path) -> None:
    array = HEAD.array.copy()
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    path = saved(array)(tmp_path)
    done = vlp3d("segment", path, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--json", "--modality", "CT")
    assert done.code == 0
    assert "3 of" in done.err
    assert any("NaN" in note for note in done.json["notes"])
    assert all(row["found"] for row in done.json["labels"])


def test_a_label_map_of_another_program(vlp3d: Run, scan: Path, tmp_path: Path, out: Path) -> None:
    labels = tmp_path / "organs.seg.nrrd"
    assert vlp3d("segment", scan, "-o", labels, "--model", "ct-tiny").code == 0
    refused(vlp3d("segment", labels, "-o", out / "o.nii.gz", "--model", "ct-tiny"), 1, "segmentation", out)


@pytest.mark.parametrize("kind", ["missing slice", "same place twice", "two series", "two sizes"])
def test_dicom_that_is_no_volume(kind: str, vlp3d: Run, tmp_path: Path, out: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    folder = write_dicom(HEAD, tmp_path / "series")
    if kind == "missing slice":
        (folder / "010.dcm").unlink()
    elif kind == "same place twice":
        other = pydicom.dcmread(folder / "010.dcm")
        other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        other.PixelData = bytes(len(other.PixelData))
        other.save_as(folder / "again.dcm")
    elif kind == "two series":
        for file in write_dicom(HEAD, tmp_path / "other").iterdir():
            shutil.move(file, folder / f"b{file.name}")
    else:
        for file in list(folder.iterdir())[::2]:
            image = pydicom.dcmread(file)
            image.Rows -= 2
            image.PixelData = image.PixelData[: 2 * image.Rows * image.Columns]
            image.save_as(file)
    said = {"missing slice": "lacks 1 slice", "two series": "--series", "two sizes": "mixes images"}.get(kind, "same")
    refused(vlp3d("segment", folder, "-o", out / "o.nii.gz", "--model", "ct-tiny"), 1, said, out)


def test_another_modality(vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--modality", "MR")
    refused(done, 1, "MR", out)
    refused(vlp3d("find", scan, "mandible", "--model", "ct-tiny", "--modality", "MR"), 1, "MR", out)
    refused(vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--modality", "XR"), 2, "XR", out)


def test_another_region_is_all_nothing_found_with_a_warning(vlp3d: Run, tmp_path: Path, out: Path) -> None:
    """Without skull and brainstem, the anchors of the tiny model, what looks like a mandible is not believed."""
    anchors = np.isin(toy_labels(GRID), [4, 7])
    path = tmp_path / "leg.nii.gz"
    write_volume(HEAD.with_array(np.where(anchors, np.float32(-60), HEAD.array)), path)
    done = vlp3d("segment", path, "-o", out / "o.nii.gz", "--model", "ct-tiny", "--json")
    assert done.code == 0
    assert not any(row["found"] for row in done.json["labels"])
    assert any("does not seem to show" in note for note in done.json["notes"])
    assert "does not seem to show" in done.err
    assert not np.asarray(nib.load(out / "o.nii.gz").dataobj).any()
    found = vlp3d("find", path, "mandible", "-o", out / "m.nii.gz", "--model", "ct-tiny")
    assert (found.code, found.out) == (0, "Nothing found.\n")
    assert "does not seem to show" in found.err
    assert not (out / "m.nii.gz").exists()


@pytest.mark.parametrize(("free", "said"), [(100_000, "to read"), (3_000_000, "memory")])
def test_too_large_for_memory(
    free: int, said: str, vlp3d: Run, scan: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = types.SimpleNamespace(available=free, total=free)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    refused(vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny"), 1, said, out)


@pytest.mark.parametrize("tile", ["0", "-8", "ten", "1.5"])
def test_a_tile_that_is_none(tile: str, vlp3d: Run, scan: Path, out: Path) -> None:
    done = vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-tiny", f"--tile={tile}")
    refused(done, 2, "--tile", out)


def test_a_volume_without_modality_is_taken_and_said(vlp3d: Run, tmp_path: Path, out: Path) -> None:
    """Too little air to be sure that it is a CT."""
    part: Volume = HEAD.with_array(HEAD.array[6:-6, 6:-6, 6:-6])
    path = tmp_path / "part.nii.gz"
    write_volume(Volume(part.array, HEAD.affine, "CT"), path)
    done = vlp3d("segment", path, "-o", out / "o.nii.gz", "--model", "ct-tiny")
    assert done.code == 0
    assert all(line.startswith("vlp3d: note: ") for line in done.err.splitlines())
