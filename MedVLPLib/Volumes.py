"""A volume node as the engine's Volume: its voxels without a copy, and the place in the world where they are shown."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from MedVLPLib.Matrices import ijkToParent, ijkToWorld, parentToWorld
from MedVLPLib.Modality import modalityOf
from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.volume import Source, Volume


def volumeFromNode(node: Any) -> Volume:
    """The volume that a node shows, with all linear transforms above it applied.

    Args:
        node: a vtkMRMLScalarVolumeNode with at least two slices in every direction.

    Returns:
        array (I, J, K) of the node's own type, a view of the node's memory; a float volume with NaN or infinite
        voxels is copied and mended. affine: index → world RAS mm. What the user should know is in `source.notes`.

    Raises:
        MedVLPError: `checkVolumeNode` objects, or the voxels show nothing or are labels.
    """
    checkVolumeNode(node)
    image = node.GetImageData()
    # VTK's arrays run k, j, i in C order, which is i, j, k in Fortran order: the transposed view costs nothing.
    flat = vtk_to_numpy(image.GetPointData().GetScalars())
    array, notes = _sound(node, flat.reshape(image.GetDimensions()[::-1]).transpose())
    affine = ijkToWorld(node)
    notes = [*_frameNotes(node), *_shearNotes(affine), *notes]
    if not node.GetAttribute("DICOM.instanceUIDs"):
        from vlp3d_core.volume.labelmap import check_not_labels

        notes += check_not_labels(Path(node.GetName() or "The volume"), array, array.dtype.kind in "iu")
    return Volume(array, affine, _modality(node, array, affine), Source(notes=tuple(notes)))


def checkVolumeNode(node: Any) -> None:
    """What can be said about a node without looking at its voxels; quick enough for every change in the panel.

    Raises:
        MedVLPError: no volume, a label map, a vector or colour volume, no voxels, a single slice, a transform that is
            not linear, or a geometry that cannot be right.
    """
    choose = _("Choose a scalar volume (CT, MR, …).")
    if node is None:
        raise MedVLPError(_("No volume is chosen."), choose)
    name = node.GetName() or ""
    if not node.IsA("vtkMRMLVolumeNode"):
        raise MedVLPError(_("'{name}' is not a volume.").format(name=name), choose)
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise MedVLPError(
            _("'{name}' is a label map, not an image.").format(name=name),
            _("Choose the volume that the labels were drawn on."),
        )
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image else None
    scalar = node.IsA("vtkMRMLScalarVolumeNode") and not node.IsA("vtkMRMLTensorVolumeNode")  # vectors, too
    if not scalar or (image and image.GetNumberOfScalarComponents() > 1):
        raise MedVLPError(
            _("'{name}' has several values a voxel (a color, vector or tensor volume).").format(name=name),
            _("Convert it to a scalar volume (Vector to Scalar Volume module), or choose another."),
        )
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise MedVLPError(_("'{name}' holds no voxels.").format(name=name), _("Load the image again."))
    if min(image.GetDimensions()) < 2:
        size = " × ".join(str(n) for n in image.GetDimensions())
        raise MedVLPError(
            _("'{name}' is a single slice ({size} voxels).").format(name=name, size=size),
            _("Choose a volume with at least two slices in every direction."),
        )
    _checkGeometry(node)


def contentKey(node: Any) -> str:
    """Names what `volumeFromNode` would give: the same key means the same voxels at the same place.

    Renaming a node or changing its display does not change the key; editing its voxels or moving it does.
    """
    place = ijkToWorld(node).tobytes() + modalityOf(node).encode()
    return f"{node.GetID()}-{node.GetImageData().GetMTime()}-{hashlib.sha1(place).hexdigest()[:16]}"


def _checkGeometry(node: Any) -> None:
    from vlp3d_core.volume.check_geometry import affine_problem

    own = affine_problem(ijkToParent(node))
    shown = affine_problem(parentToWorld(node) @ ijkToParent(node))
    if own or shown:
        remedy = _("Correct its spacing and orientation in the Volumes module, or load it again.")
        if not own:
            remedy = _("Correct the transform above it: turning, shifting and mild scaling are fine.")
        raise MedVLPError(
            _("'{name}' has no usable geometry: {problem}.").format(name=node.GetName(), problem=own or shown), remedy
        )


def _sound(node: Any, array: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """The array with every voxel finite and not all of them equal, and a note where it had to be mended."""
    low, high, notes = array.min(), array.max(), []
    if not (np.isfinite(low) and np.isfinite(high)):
        good = np.isfinite(array)
        if not good.any():
            raise MedVLPError(
                _("'{name}' has no finite voxel (all are NaN or infinite).").format(name=node.GetName()),
                _("Load the image again."),
            )
        low, high = array[good].min(), array[good].max()
        array = np.where(good, array, low)
        notes.append(
            _("{count} voxels of '{name}' were NaN or infinite and are taken as its minimum ({low:g}).").format(
                count=int(array.size - np.count_nonzero(good)), name=node.GetName(), low=float(low)
            )
        )
    if low == high:
        raise MedVLPError(
            _("'{name}' shows nothing: all its voxels are {value:g}.").format(name=node.GetName(), value=float(low)),
            _("Check that it is the right volume."),
        )
    return array, notes


def _modality(node: Any, array: NDArray[Any], affine: NDArray[np.float64]) -> str:
    """What the node says, or the engine's careful guess from Hounsfield units and spacing, as for a file."""
    from vlp3d_core.volume.modality import guess_modality

    i, j, k = np.linalg.norm(affine[:3, :3], axis=0)
    return modalityOf(node) or guess_modality(array, (float(i), float(j), float(k)))


def _shearNotes(affine: NDArray[np.float64]) -> list[str]:
    from vlp3d_core.volume.check_geometry import NOTED_SHEAR_DEGREES, shear_degrees

    shear = shear_degrees(affine)
    if shear < NOTED_SHEAR_DEGREES:
        return []
    return [
        _("The voxel axes are {degrees:.1f} degrees away from perpendicular; the exact matrix is used.").format(
            degrees=shear
        )
    ]


def _frameNotes(node: Any) -> list[str]:
    """A node that a sequence browser replays shows one frame of many."""
    scene = node.GetScene()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") if scene else 0):
        browser = scene.GetNthNodeByClass(number, "vtkMRMLSequenceBrowserNode")
        sequence = browser.GetSequenceNode(node)
        if sequence is not None:
            return [
                _("'{name}' is a sequence: its current frame ({frame} of {count}) is used.").format(
                    name=node.GetName(),
                    frame=browser.GetSelectedItemNumber() + 1,
                    count=sequence.GetNumberOfDataNodes(),
                )
            ]
    return []
