"""Files of every format: voxels, matrix, units and modality."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.modality import guess_modality
from vlp3d_core.volume.read import read_grid, read_image, read_volume
from vlp3d_core.volume.volume import Volume

RAS = np.diag([-1.0, -1.0, 1.0])
Save = Callable[..., Path]
FORMATS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
QUIET = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def nifti(path: Path, array: NDArray[np.generic], edit: Callable[[nib.Nifti1Header], None]) -> Path:
    """Write a NIfTI file and change its header afterwards, past nibabel's own checks."""
    data = nib.Nifti1Image(array, np.diag([2.0, 3.0, 4.0, 1.0])).to_bytes()
    header = nib.Nifti1Header(data[:348], check=False)
    edit(header)
    path.write_bytes(header.binaryblock + data[348:])
    return path


@pytest.fixture(scope="module")
def affine() -> NDArray[np.float64]:
    """Oblique, left-handed and anisotropic."""
    a, b = np.radians((25, -40))
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ tip @ np.diag([-0.7, 0.8, 2.5])
    matrix[:3, 3] = (12.5, -80.25, 300.0)
    return matrix


def header_agrees(path: Path, volume: Volume) -> bool:
    """Whether the header alone gives the grid of the volume that was read."""
    grid = read_grid(path)
    return grid.shape == volume.shape and np.array_equal(grid.affine, volume.affine)


@pytest.mark.parametrize("ending", [*FORMATS, ".img"])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64"])
def test_every_format_gives_the_same_volume(
    save: Save, tmp_path: Path, body: NDArray[np.int16], affine: NDArray[np.float64], ending: str, dtype: str
) -> None:
    array = (body.clip(-100, 155) + 100).astype(dtype) if dtype == "uint8" else body.astype(dtype)
    volume = read_volume(save(tmp_path / f"scan{ending}", array, affine))
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-4)
    assert volume.array.dtype == np.float32
    assert volume.affine.dtype == np.float64
    assert volume.array.flags.f_contiguous and volume.array.flags.writeable
    assert volume.source.notes == ()
    assert volume.source.path == tmp_path / f"scan{ending}"
    assert volume.modality == ("" if dtype == "uint8" else "CT")
    assert header_agrees(tmp_path / f"scan{ending}", volume)


@QUIET
@given(
    angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    spacing=st.tuples(*[st.floats(0.05, 20)] * 3),
    origin=st.tuples(*[st.floats(-1000, 1000)] * 3),
    flip=st.booleans(),
    ending=st.sampled_from([".nii", ".nrrd", ".mha"]),
)
def test_any_matrix_survives(
    save: Save,
    tmp_path: Path,
    angles: tuple[float, ...],
    spacing: tuple[float, ...],
    origin: tuple[float, ...],
    flip: bool,
    ending: str,
) -> None:
    rotation = np.array(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()).reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ np.diag([-spacing[0] if flip else spacing[0], *spacing[1:]])
    matrix[:3, 3] = origin
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    volume = read_volume(save(tmp_path / f"any{ending}", array, matrix))
    np.testing.assert_array_equal(volume.array, array)
    # NIfTI keeps its matrix in float32.
    np.testing.assert_allclose(volume.affine, matrix, rtol=1e-6, atol=1e-3 if ending == ".nii" else 1e-9)
    assert header_agrees(tmp_path / f"any{ending}", volume)


def test_sform_before_qform_before_nothing(tmp_path: Path, body: NDArray[np.int16]) -> None:
    def both(header: nib.Nifti1Header) -> None:
        header.set_qform(np.diag([2, 3, 4, 1]), 1)
        header.set_sform(np.diag([-2, 3, 4, 1]), 2)

    def only_q(header: nib.Nifti1Header) -> None:
        both(header)
        header["sform_code"] = 0

    def neither(header: nib.Nifti1Header) -> None:
        only_q(header)
        header["qform_code"] = 0

    def broken_s(header: nib.Nifti1Header) -> None:
        both(header)
        header["srow_x"] = 0

    def broken_both(header: nib.Nifti1Header) -> None:
        broken_s(header)
        header["quatern_b"] = header["quatern_c"] = 2

    def nothing_but_a_broken_s(header: nib.Nifti1Header) -> None:
        broken_s(header)
        header["qform_code"] = 0

    assert read_volume(nifti(tmp_path / "a.nii", body, both)).affine[0, 0] == -2
    assert read_volume(nifti(tmp_path / "b.nii", body, only_q)).affine[0, 0] == 2
    lost = read_volume(nifti(tmp_path / "c.nii", body, neither))
    assert "left and right" in lost.source.notes[0]
    assert lost.spacing == (2, 3, 4)
    saved = read_volume(nifti(tmp_path / "d.nii", body, broken_s))
    assert saved.affine[0, 0] == 2
    assert "sform" in saved.source.notes[0]
    for name, edit in (("e.nii", broken_both), ("f.nii", nothing_but_a_broken_s)):
        with pytest.raises(MedVLPError, match="spacing is 0 x 3 x 4"):
            read_volume(nifti(tmp_path / name, body, edit))


@pytest.mark.parametrize(("code", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0), (7, 1.0)])
def test_nifti_units(tmp_path: Path, body: NDArray[np.int16], code: int, factor: float) -> None:
    def edit(header: nib.Nifti1Header) -> None:
        header["srow_x"][0], header["srow_y"][1], header["srow_z"][2] = np.array((2, 3, 4)) / (1000 if code == 1 else 1)
        header["xyzt_units"] = code

    volume = read_volume(nifti(tmp_path / "scan.nii", body, edit))
    np.testing.assert_allclose(volume.spacing, np.array((2, 3, 4)) * factor / (1000 if code == 1 else 1), rtol=1e-6)
    assert bool(volume.source.notes) == (code == 7)


def test_nifti_scaling_and_byte_order(save: Save, tmp_path: Path, body: NDArray[np.int16]) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nib.Nifti1Image(body, np.eye(4), header)
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / "scan.nii.gz")
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii.gz").array, body * 0.5 + 3)


def test_large_images_are_streamed_in_chunks(
    save: Save, tmp_path: Path, body: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp3d_core.volume.read_nifti._CHUNK_VOXELS", 37)
    np.testing.assert_array_equal(read_volume(save(tmp_path / "scan.nii.gz", body)).array, body)


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1), ("um", 1e-3), ("microns", 1e-3), ("nm", 1e-6), ("cm", 10), ("furlong", 1)]
)
def test_nrrd_units(save: Save, tmp_path: Path, body: NDArray[np.int16], unit: str, factor: float) -> None:
    path = save(tmp_path / "scan.nrrd", body, np.diag([2.0, 3.0, 4.0, 1.0]))
    units = f'space units: "{unit}" "{unit}" "{unit}"\nkinds:'.encode()
    path.write_bytes(path.read_bytes().replace(b"kinds:", units, 1))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.spacing, np.array((2, 3, 4)) * factor)
    assert bool(volume.source.notes) == (unit == "furlong")
    assert header_agrees(path, volume)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("right-anterior-superior", (1, 1)), ("left-anterior-superior", (-1, 1)), ("left-posterior-superior", (-1, -1))],
)
def test_nrrd_spaces(save: Save, tmp_path: Path, body: NDArray[np.int16], space: str, signs: tuple[int, int]) -> None:
    path = save(tmp_path / "scan.nrrd", body, np.diag([-2.0, -3.0, 4.0, 1.0]))
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", space.encode(), 1))
    volume = read_volume(path)
    np.testing.assert_allclose(np.diag(volume.affine), (2 * signs[0], 3 * signs[1], 4, 1))
    assert header_agrees(path, volume)
    assert volume.source.notes == ()


def test_nrrd_without_a_space(tmp_path: Path, body: NDArray[np.int16]) -> None:
    head = 'NRRD0004\ntype: short\ndimension: 3\nsizes: 14 12 10\nspacings: 2 3 4\nunits: "um" "um" "um"\n'
    head += "endian: little\nencoding: raw\n\n"
    (tmp_path / "scan.nrrd").write_bytes(head.encode() + body.tobytes(order="F"))
    volume = read_volume(tmp_path / "scan.nrrd")
    np.testing.assert_array_equal(volume.array, body)
    np.testing.assert_allclose(volume.spacing, (0.002, 0.003, 0.004))
    assert "left and right" in volume.source.notes[0]


def test_metaimage_units_and_modality(save: Save, tmp_path: Path, body: NDArray[np.int16]) -> None:
    path = save(tmp_path / "scan.mha", body + 2000)
    extra = b"DistanceUnits = um\nModality = MET_MOD_MR\nElementSpacing"
    path.write_bytes(path.read_bytes().replace(b"ElementSpacing", extra, 1))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.spacing, (1e-3, 1e-3, 1e-3))
    assert volume.modality == "MR"


def test_modality_is_guessed_only_without_doubt(body: NDArray[np.int16]) -> None:
    ct = body.astype(np.float32)
    phase = np.random.default_rng(0).uniform(-4096, 4095, (20, 20, 20)).astype(np.float32)
    assert guess_modality(ct, (1, 1, 1)) == "CT"
    assert guess_modality(ct - 24, (1, 1, 3)) == "CT"
    assert guess_modality(ct + 1000, (1, 1, 1)) == ""
    assert guess_modality(ct.clip(-200, 300), (1, 1, 1)) == ""
    assert guess_modality(phase, (1, 1, 1)) == ""
    assert guess_modality(ct + 1000, (8e-6, 8e-6, 8e-6)) == "EM"


def test_modality_argument_wins(save: Save, tmp_path: Path, body: NDArray[np.int16]) -> None:
    path = save(tmp_path / "scan.nii", body)
    assert read_volume(path, modality="mri").modality == "MR"
    with pytest.raises(UsageError, match="XR"):
        read_volume(path, modality="XR")
    with pytest.raises(UsageError, match="not DICOM"):
        read_volume(path, series="1.2")


def test_labels_are_read_as_an_image_on_request(save: Save, tmp_path: Path) -> None:
    labels = np.zeros((4, 5, 6), dtype=np.uint8)
    assert read_image(save(tmp_path / "empty.nii.gz", labels)).array.max() == 0
    labels[1:3] = 2
    assert read_image(save(tmp_path / "labels.nii.gz", labels)).array.max() == 2


def test_reading_is_light_to_import() -> None:
    code = "import sys, vlp3d_core.volume.read; print({'torch', 'nibabel', 'SimpleITK', 'pydicom'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


def test_real_volumes_match_their_libraries(shared_data: Path) -> None:
    ct = shared_data / "totalsegmentator" / "example_ct.nii.gz"
    volume, image = read_volume(ct), nib.load(ct)
    np.testing.assert_array_equal(volume.array, np.asarray(image.dataobj))
    np.testing.assert_array_equal(volume.affine, image.affine)
    assert volume.modality == "CT" and header_agrees(ct, volume)
    brain = shared_data / "pyradiomics" / "brain1_image.nrrd"
    seen = sitk.ReadImage(str(brain))
    volume = read_volume(brain)
    for index in product((0, 255), (0, 255), (0, 24)):
        point = RAS @ np.array(seen.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose((volume.affine @ (*index, 1))[:3], point, atol=1e-9)
    assert header_agrees(brain, volume)
    neurons = read_volume(shared_data / "em_fib25" / "train2_raw.nrrd")
    assert neurons.modality == "EM"
    np.testing.assert_allclose(neurons.spacing, (8e-6, 8e-6, 8e-6))
