"""Label maps as a score needs them: integers, a place in the patient, and what each value means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.placed import Placed
from vlp3d_core.volume.read_labels import read_labels

ENDINGS = (".nii.gz", ".nii", ".seg.nrrd")
_GRID_TOLERANCE = (
    0.05  # voxels; NIfTI's quaternions are off by about 1e-3 mm at the far corner, a real shift by far more
)


@dataclass(frozen=True)
class LabelMap(Placed):
    """Labels with their place and meaning.

    Attributes:
        labels: integer array, shape (I, J, K), 0 is background.
        affine: float64 (4, 4), index → RAS in mm.
        values: label value → concept id; several values may name one concept (their union is the structure).
        name: what messages call it, usually the file.
        absent: further concepts that were looked for, not found, and have no value.
    """

    labels: NDArray[np.integer[Any]]
    affine: NDArray[np.float64]
    values: Mapping[int, str]
    name: str = "a label map"
    absent: tuple[str, ...] = ()

    @property
    def concepts(self) -> set[str]:
        """All that it can tell about, found or not."""
        return {*self.values.values(), *self.absent}

    def values_of(self, concept: str) -> list[int]:
        return [value for value, name in self.values.items() if name == concept]


def read_label_map(path: str | Path, values: Mapping[int, str] | None = None) -> LabelMap:
    """Read a label map. Without `values` they come from the file: `OUT.json` beside a NIfTI, the header of a .seg.nrrd.

    Raises:
        MedVLPError: missing or broken file, not a map of whole numbers, or nothing says what its values mean.
    """
    path = Path(path)
    labels, affine = read_labels(path)
    absent: tuple[str, ...] = ()
    if values is None:
        is_nrrd = path.name.lower().endswith(".nrrd")
        values, absent = read_header(path) if is_nrrd else (read_sidecar(sidecar_of(path)), ())
    return LabelMap(labels, affine, dict(values), str(path), absent)


def stem_of(path: str | Path) -> str:
    """File name without the ending of an image or label map: scan.nii.gz → scan."""
    name = Path(path).name
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), Path(name).suffix)
    return name[: len(name) - len(ending)]


def sidecar_of(path: Path) -> Path:
    """OUT.nii.gz → OUT.json."""
    return path.with_name(f"{stem_of(path)}.json")


def read_sidecar(path: Path) -> dict[int, str]:
    """The label values of a prediction: `{"labels": [{"value": 1, "concept": "brainstem"}, ...]}`."""
    remedy = "Predict again with `vlp3d segment -o OUT.nii.gz`, which writes OUT.json beside the result."
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["labels"]
        pairs = [(int(entry["value"]), str(entry["concept"])) for entry in entries]
    except FileNotFoundError as error:
        raise MedVLPError(f"{path}, which says what the label values mean, does not exist.", remedy) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MedVLPError(f"{path} does not say what the label values mean.", remedy) from error
    return _unique(pairs, path)


def _unique(pairs: list[tuple[int, str]], path: Path) -> dict[int, str]:
    values = dict(pairs)
    if len(values) < len(pairs) or any(value < 1 for value in values):
        raise MedVLPError(
            f"{path} gives one label value two meanings, or names the background 0.",
            "Give every structure a value of its own, 1 and above.",
        )
    return values


def read_header(path: Path) -> tuple[dict[int, str], tuple[str, ...]]:
    """Label values of a .seg.nrrd, and the concepts that were looked for and not found, from its header."""
    remedy = "Predict again with `vlp3d segment -o OUT.seg.nrrd`, or give .nii.gz with its .json."
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        fields = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
        pairs = [
            (int(value), fields[key.removesuffix("LabelValue") + "ID"])
            for key, value in fields.items()
            if key.startswith("Segment") and key.endswith("_LabelValue")
        ]
    except (RuntimeError, ValueError, KeyError) as error:
        raise MedVLPError(f"The header of {path} does not name its segments.", remedy) from error
    return _unique(pairs, path), tuple(fields.get("MedVLP.NotFound", "").split())


def aligned(labels: LabelMap, reference: LabelMap) -> LabelMap:
    """The same labels in the reference's axis order and directions.

    Flipped and permuted axes are turned back exactly; anything else is another grid, and resampling behind the
    user's back would change the score.

    Raises:
        MedVLPError: the two grids are not the same set of voxels.
    """
    step = np.linalg.inv(reference.affine) @ labels.affine
    turn = nib.orientations.io_orientation(step)
    array = nib.orientations.apply_orientation(labels.labels, turn)
    back = step @ nib.orientations.inv_ornt_aff(turn, labels.labels.shape)
    shape = np.array(reference.labels.shape)
    corners = np.array([[*corner, 1.0] for corner in np.ndindex(2, 2, 2)]) * [*(shape - 1), 1]
    off = float(np.abs(corners @ back.T - corners).max())
    if array.shape != reference.labels.shape or off > _GRID_TOLERANCE:
        raise MedVLPError(
            f"{labels.name} lies on another grid than its reference {reference.name} ({_grid(labels)}; "
            f"the reference {_grid(reference)}).",
            "Predict on the image that the reference was drawn on, or resample the prediction to the reference's grid.",
        )
    return replace(labels, labels=array, affine=reference.affine)


def _grid(labels: LabelMap) -> str:
    shape = "x".join(map(str, labels.labels.shape))
    spacing = "x".join(f"{step:.3g}" for step in labels.spacing)
    return f"{shape} voxels of {spacing} mm from {np.round(labels.affine[:3, 3], 2).tolist()}"
