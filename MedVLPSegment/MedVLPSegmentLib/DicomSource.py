"""The DICOM files that a volume node was loaded from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from MedVLPLib.Matrices import ijkToParent
from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.volume import Source

INSTANCES = "DICOM.instanceUIDs"
"""Where Slicer's DICOM import writes the SOPInstanceUIDs, separated by blanks."""


def dicomSource(volumeNode: Any, fileForInstance: Callable[[str], str] | None = None) -> Source:
    """The series of a volume node, its files in the order of the third array axis.

    Args:
        fileForInstance: SOPInstanceUID → path, "" where it is not known; None asks Slicer's DICOM database.

    Raises:
        MedVLPError: the volume was not loaded from DICOM, or its files are gone.
    """
    import slicer

    name = volumeNode.GetName()
    uids = (volumeNode.GetAttribute(INSTANCES) or "").split()
    if not uids:
        raise MedVLPError(
            _("'{name}' was not loaded from a DICOM series, which a DICOM SEG refers to.").format(name=name),
            _("Export .seg.nrrd or .nii.gz instead, or load the volume through Slicer's DICOM module."),
        )
    lookUp = fileForInstance or slicer.dicomDatabase.fileForInstance
    files = [Path(path) for path in map(lookUp, uids) if path]
    if len(files) < len(uids) or not all(file.is_file() for file in files):
        raise MedVLPError(
            _("DICOM files of '{name}' are no longer there.").format(name=name),
            _("Import the series into Slicer's DICOM database again, or export .seg.nrrd or .nii.gz."),
        )
    return Source(format="dicom", files=_inOrder(files, volumeNode))


def _inOrder(files: list[Path], volumeNode: Any) -> tuple[Path, ...]:
    """Sorted along the volume's third axis by ImagePositionPatient: neither names nor UIDs say where a slice lies."""
    import pydicom

    axis = np.diag([-1.0, -1.0, 1.0]) @ ijkToParent(volumeNode)[:3, 2]  # DICOM counts to the left and to the back

    def height(file: Path) -> float:
        position = pydicom.dcmread(file, specific_tags=["ImagePositionPatient"]).get("ImagePositionPatient")
        return float(np.dot(axis, np.asarray(position, float))) if position else 0.0

    return tuple(sorted(files, key=height)) if len(files) > 1 else tuple(files)
