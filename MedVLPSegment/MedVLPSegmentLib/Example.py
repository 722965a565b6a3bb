"""A segment of the scene as an example to look for: its name, the volume it was drawn on, and its voxels there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedVLPLib.Flatten import referenceVolume, segmentMask
from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError


class Example:
    """One segment, and the volume that shows what it looks like.

    Raises:
        MedVLPError: no segment is chosen, or its volume is not in the scene.
    """

    def __init__(self, segmentationNode: Any, segmentId: str) -> None:
        segment = segmentationNode.GetSegmentation().GetSegment(segmentId) if segmentationNode else None
        if segment is None:
            raise MedVLPError(_("No segment is chosen as the example."), _("Choose one, or draw one first."))
        self.node, self.segmentId, self.name = segmentationNode, segmentId, str(segment.GetName())
        try:
            self.volumeNode = referenceVolume(segmentationNode)
        except MedVLPError as error:
            remedy = _("Load the volume and choose it as the source volume in the Segment Editor.")
            raise MedVLPError(error.cause, remedy) from None

    def mask(self) -> NDArray[np.uint8]:
        """(I, J, K) on the grid of the volume, 1 inside.

        Raises:
            MedVLPError: there is nothing inside, or a transform is not linear.
        """
        mask = segmentMask(self.node, self.segmentId, self.volumeNode)
        if not mask.any():
            raise MedVLPError(
                _("The segment '{segment}' holds no voxel of '{volume}'.").format(
                    segment=self.name, volume=self.volumeNode.GetName()
                ),
                _("Draw it first, or choose another one."),
            )
        return mask
