"""Images that cannot be used, or only after mending: the sentence, the remedy, and no false alarms on real data."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.check import check_memory, mend_voxels, spatial_shape
from vlp3d_core.volume.check_geometry import affine_problem, shear_degrees
from vlp3d_core.volume.labelmap import check_not_labels
from vlp3d_core.volume.read import read_volume

SCAN = Path("scan.nii")


def save(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64] | None = None) -> Path:
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(MedVLPError) as caught:
        read_volume(path)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy


def test_dimensions() -> None:
    assert spatial_shape(SCAN, (4, 5, 6, 1, 1)) == (4, 5, 6)
    for shape, words in {
        (4, 5): "2D", (4, 5, 1): "2D", (1, 5, 6): "2D", (4, 5, 6, 20): "4D image of 20 frames", (4, 0, 6): "no voxels",
        (4, 5, 6, 1, 3): "3 values a voxel", (4, 5, 6, 2, 3): "5D image of 6 frames", (): "no voxels",
    }.items():  # fmt: skip
        with pytest.raises(MedVLPError, match=words):
            spatial_shape(SCAN, shape)


def test_2d_and_4d_files(tmp_path: Path, body: NDArray[np.int16]) -> None:
    refused(save(tmp_path / "a.nii", body[:, :, :1]), "2D image (14 x 12 x 1)")
    refused(save(tmp_path / "b.nii", np.stack([body] * 3, axis=-1)), "4D", "3 frames", "slicer[..., 0]")
    assert read_volume(save(tmp_path / "c.nii", body[..., None])).shape == body.shape
    image = sitk.JoinSeries([sitk.GetImageFromArray(body)])
    sitk.WriteImage(image, str(tmp_path / "d.nrrd"))
    np.testing.assert_array_equal(read_volume(tmp_path / "d.nrrd").array, body.T)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_vectors_and_complex_numbers(tmp_path: Path, body: NDArray[np.int16], ending: str) -> None:
    path = tmp_path / f"scan{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([body] * 3, axis=-1), isVector=True), str(path))
    refused(path, "3 values a voxel")
    sitk.WriteImage(sitk.GetImageFromArray(body.astype(np.complex64)), str(path))
    refused(path, "complex" if ending == ".nrrd" else "2 values a voxel")


def test_nifti_color_and_complex(tmp_path: Path, body: NDArray[np.int16]) -> None:
    color = np.zeros(body.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refused(save(tmp_path / "rgb.nii", color), "color voxels")
    refused(save(tmp_path / "complex.nii", body.astype(np.complex64)), "complex voxels")


def test_nan_and_infinities_become_the_minimum(tmp_path: Path, body: NDArray[np.int16]) -> None:
    array = body.astype(np.float32)
    array[0, 0, :4] = (np.nan, np.inf, -np.inf, np.nan)
    array[:, :, 9] = np.nan
    volume = read_volume(save(tmp_path / "scan.nii", array))
    assert volume.source.notes == (
        f"{4 + 14 * 12 - 0} of 1680 voxels were NaN or infinite and are now the image's minimum (-1000).",
    )
    assert (volume.array[0, 0, :4] == -1000).all() and (volume.array[:, :, 9] == -1000).all()
    np.testing.assert_array_equal(volume.array[1:, :, :9], body[1:, :, :9])
    refused(save(tmp_path / "none.nii", np.full(body.shape, np.nan, np.float32)), "no finite voxel")


def test_values_beyond_float32_are_mended(tmp_path: Path, body: NDArray[np.int16]) -> None:
    array = body.astype(np.float64)
    array[0, 0, 0] = 1e200
    assert "1 of 1680" in read_volume(save(tmp_path / "scan.nii", array)).source.notes[0]
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "scan.nrrd"))
    assert "1 of 1680" in read_volume(tmp_path / "scan.nrrd").source.notes[0]


def test_mending_leaves_a_sound_array_alone(body: NDArray[np.int16]) -> None:
    array = body.astype(np.float32)
    assert mend_voxels(SCAN, array) == []
    np.testing.assert_array_equal(array, body)


def test_constant_images(tmp_path: Path) -> None:
    refused(save(tmp_path / "scan.nii", np.full((5, 6, 7), 40, np.int16)), "all its voxels are 40")


def test_what_a_matrix_may_be() -> None:
    def problem(columns: list[list[float]]) -> str:
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(columns, dtype=float).T
        return affine_problem(matrix) or ""

    assert problem([[8e-6, 0, 0], [0, 8e-6, 0], [0, 0, 8e-6]]) == ""
    assert problem([[-5, 0, 0], [0, 0, 2], [0, 49, 0]]) == ""
    assert problem([[1, 0, 0], [0, 1, 0], [0, 0.5, 1]]) == ""
    assert "spacing is 1 x 0 x 1" in problem([[1, 0, 0], [0, 0, 0], [0, 0, 1]])
    assert "implausible" in problem([[1, 0, 0], [0, 1, 0], [0, 0, 51]])
    assert "implausible" in problem([[1, 0, 0], [0, 1, 0], [0, 0, 1e-9]])
    assert "singular" in problem([[1, 0, 0], [1, 0, 0], [0, 0, 1]])
    assert "singular" in problem([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    assert "45 degrees" in problem([[1, 0, 0], [0, 1, 0], [0, 1, 1]])
    assert "not finite" in problem([[np.nan, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert problem([[1e200, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_shear_is_noted(tmp_path: Path, body: NDArray[np.int16]) -> None:
    matrix = np.eye(4)
    matrix[1, 2] = np.tan(np.radians(20))
    assert shear_degrees(matrix) == pytest.approx(20)
    volume = read_volume(save(tmp_path / "scan.nii", body, matrix))
    np.testing.assert_allclose(volume.affine, matrix, atol=1e-6)
    assert "20.0 degrees" in volume.source.notes[0]
    matrix[0, 0] = 1000
    refused(save(tmp_path / "metre.nii", body, matrix), "implausible", "unit")


@pytest.mark.parametrize("spacing", ["1 0 3", "1 -2 3"])
def test_metaimage_spacing(tmp_path: Path, body: NDArray[np.int16], spacing: str) -> None:
    path = tmp_path / "scan.mha"
    image = sitk.GetImageFromArray(body)
    image.SetSpacing((1, 2, 3))
    sitk.WriteImage(image, str(path))
    path.write_bytes(path.read_bytes().replace(b"ElementSpacing = 1 2 3", f"ElementSpacing = {spacing}".encode(), 1))
    refused(path, "spacing is " + spacing.replace(" ", " x "))


def test_nrrd_with_a_singular_matrix(tmp_path: Path, body: NDArray[np.int16]) -> None:
    path = tmp_path / "scan.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(body), str(path))
    path.write_bytes(path.read_bytes().replace(b"(1,0,0) (0,1,0)", b"(1,0,0) (1,0,0)", 1))
    refused(path, "singular")


def test_memory_is_asked_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp3d_core.volume.check.psutil.virtual_memory", lambda: SimpleNamespace(available=8 * 2**30))
    check_memory(SCAN, (512, 512, 1000))
    with pytest.raises(MedVLPError, match=r"16\.0 GiB .* 8\.0 GiB are free.*by 2 \(512 x 512 x 1024 would fit\)"):
        check_memory(SCAN, (1024, 1024, 2048), 2**33)
    data = bytearray(save(tmp_path / "huge.nii", np.zeros((4, 4, 4), np.int16)).read_bytes())
    data[42:48] = np.array([20000, 20000, 20000], "<i2").tobytes()
    (tmp_path / "huge.nii").write_bytes(data)
    refused(tmp_path / "huge.nii", "GiB", "would fit")


def test_label_maps_are_refused(tmp_path: Path) -> None:
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[3:17, 3:17, 3:17] = 1
    refused(save(tmp_path / "one.nii", labels), "label map (1 label, highest 1)")
    labels[5:9, 5:9, 5:9] = 5
    refused(save(tmp_path / "two.nii", labels), "label map (2 labels, highest 5)")
    refused(save(tmp_path / "float.nii", labels.astype(np.float32)), "label map (2 labels")
    refused(save(tmp_path / "mask.nii", (labels > 0).astype(np.uint8) * 255), "highest 255")
    blocks = np.kron(np.arange(125).reshape(5, 5, 5), np.ones((6, 6, 6))).astype(np.int16)
    refused(save(tmp_path / "many.nii", blocks), "124 labels")
    sparse = np.zeros((20, 20, 20), dtype=np.uint8)
    sparse[::3, ::3, ::3] = 2
    refused(save(tmp_path / "sparse.nii", sparse), "label map")


def test_a_file_that_calls_itself_a_segmentation(tmp_path: Path, body: NDArray[np.int16]) -> None:
    image = sitk.GetImageFromArray(body)
    image.SetMetaData("Segment0_ID", "Segment_1")
    sitk.WriteImage(image, str(tmp_path / "scan.seg.nrrd"))
    refused(tmp_path / "scan.seg.nrrd", "is a segmentation")


def test_a_constant_background_does_not_make_a_label_map(body: NDArray[np.int16]) -> None:
    assert check_not_labels(SCAN, body.astype(np.float32) + 1000, integer=True) == []
    assert check_not_labels(SCAN, body.astype(np.float32) + 2000, integer=True) == []


def test_drawn_images_are_only_warned_about() -> None:
    cube = np.zeros((20, 20, 20), dtype=np.float32)
    cube[5:15, 5:15, 5:15] = 1
    assert "label map" in check_not_labels(SCAN, cube, integer=False)[0]
    assert "label map" in check_not_labels(SCAN, cube * 100, integer=True)[0]
    assert check_not_labels(SCAN, cube - 1000, integer=True) == []
    assert check_not_labels(SCAN, cube * 0.5, integer=False) == []


def test_images_of_few_grey_levels_pass() -> None:
    noise = np.random.default_rng(0).integers(0, 16, (20, 20, 20)).astype(np.float32)
    assert check_not_labels(SCAN, noise, integer=True) == []


def test_no_real_image_is_refused_and_every_label_map_is(shared_data: Path) -> None:
    """One small file of each kind; all were tried when the thresholds were chosen."""
    with (shared_data / "MANIFEST.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"].endswith((".nii.gz", ".nrrd"))]
    tried: dict[tuple[str, str], int] = {}
    for row in rows:
        kind = (row["dataset"], row["modality"])
        tried[kind] = tried.get(kind, 0) + 1
        if tried[kind] > 1 or int(row["bytes"]) > 2_500_000:
            continue
        path = shared_data / row["file"]
        if row["modality"] == "label":
            refused(path, "label map")
            continue
        volume = read_volume(path)
        assert not any("label map" in note for note in volume.source.notes), path
        if row["modality"] != "CT":
            assert volume.modality in ("", "EM"), path
    assert len(tried) >= 15
