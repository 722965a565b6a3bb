"""A segmentation node as files: .seg.nrrd, NIfTI, DICOM SEG, surfaces. They appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer

from MedVLPLib.Flatten import flatten, referenceVolume
from MedVLPLib.Labelmaps import SURFACE
from MedVLPLib.Matrices import parentToWorld, toVtk
from MedVLPLib.Texts import _
from MedVLPSegmentLib.DicomSource import dicomSource
from vlp3d_core.errors import MedVLPError


def exportSegmentation(
    node: Any, path: str | Path, fileForInstance: Callable[[str], str] | None = None
) -> tuple[str, ...]:
    """Write all segments of a node; the path's ending says how. Return what the user should know.

    * `.seg.nrrd`: Slicer's own format, in the world's coordinates; keeps segments that overlap.
    * `.nii.gz`, `.nii`: one label map on the source volume's grid, in the world's coordinates, with a `.json` beside it
      that says what the values mean.
    * `.dcm`: a DICOM SEG that refers to the source volume's series, in the coordinates of its files.

    Args:
        fileForInstance: SOPInstanceUID → path of a DICOM file; None asks Slicer's DICOM database.

    Raises:
        MedVLPError: the format cannot hold these segments (overlap, no source volume, no DICOM series), or the folder
            is missing, read-only or full.
        UsageError: another ending.
    """
    from vlp3d_core.volume.write import check_writable, write_segmentation

    path = Path(path)
    check_writable(path)
    if path.name.lower().endswith(".seg.nrrd"):
        _writeSegNrrd(node, path)
        return ()
    if path.suffix.lower() == ".dcm":
        source = dicomSource(referenceVolume(node), fileForInstance)
        segmentation = replace(flatten(node, inWorld=False), source=source)
    else:
        segmentation = flatten(node)
    write_segmentation(segmentation, path)
    return segmentation.notes


def exportSurfaces(node: Any, folder: str | Path, fileFormat: str = "STL") -> list[Path]:
    """Write every segment as a surface in the world's coordinates (LPS mm): one STL a segment, or one OBJ of all.

    Args:
        folder: is made if need be; its parent must exist.
        fileFormat: "STL" or "OBJ".

    Raises:
        MedVLPError: there is nothing to write, a transform is not linear, or the disk refuses.
    """
    folder = Path(folder)
    content = node.GetSegmentation()
    parentToWorld(node)  # refuses what is not linear
    if content.GetNumberOfSegments() == 0:
        raise MedVLPError(_("'{name}' has no segments.").format(name=node.GetName()), _("Segment something first."))
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".vlp3d-", dir=folder) as temporary:
            if not content.ContainsRepresentation(SURFACE):
                node.CreateClosedSurfaceRepresentation()
            write = slicer.vtkSlicerSegmentationsModuleLogic.ExportSegmentsClosedSurfaceRepresentationToFiles
            done = write(temporary, node, None, fileFormat, True, 1.0, False)
            files = sorted(Path(temporary).iterdir())
            expected = content.GetNumberOfSegments() if fileFormat == "STL" else 1
            if not done or len(files) < expected:
                raise MedVLPError(
                    _("Only {count} of {expected} surfaces of '{name}' could be written.").format(
                        count=len(files), expected=expected, name=node.GetName()
                    ),
                    _("Give the segments different names, remove empty ones, and check that the disk has free space."),
                )
            for file in files:
                os.replace(file, folder / file.name)
    except OSError as error:
        raise MedVLPError(
            _("Cannot write into {folder}: {reason}.").format(folder=folder, reason=error.strerror or error),
            _("Choose a folder that is writable and has free space."),
        ) from error
    return [folder / file.name for file in files]


def _writeSegNrrd(node: Any, path: Path) -> None:
    from vlp3d_core.files import replacing

    storage = slicer.vtkMRMLSegmentationStorageNode()
    with replacing(path) as temporary:
        storage.SetFileName(str(temporary))
        if not storage.WriteData(_inWorld(node)) or temporary.stat().st_size == 0:
            raise MedVLPError(
                _("Cannot write {path}: Slicer could not store the segmentation.").format(path=path),
                _("Check that the folder is writable and has free space."),
            )


def _inWorld(node: Any) -> Any:
    """The node itself, or, where a transform moves it, a copy that lies there without one. Voxels are not resampled."""
    if node.GetParentTransformNode() is None:
        return node
    copy = slicer.vtkMRMLSegmentationNode()
    copy.Copy(node)
    copy.SetAndObserveTransformNodeID(None)
    copy.ApplyTransformMatrix(toVtk(parentToWorld(node)))
    return copy
