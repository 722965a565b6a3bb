"""The box of a ROI node."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MedVLPLib.Matrices import parentToWorld, toNumpy
from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError

Box = tuple[float, float, float, float, float, float]
"""r0, r1, a0, a1, s0, s1 in world RAS mm."""


def boxFromRoi(roiNode: Any) -> Box:
    """The smallest box along R, A and S that holds the ROI where it is shown; `roiNote` says when it is larger.

    Raises:
        MedVLPError: not a ROI, one that has not been placed yet, or one under a transform that is not linear.
    """
    name = roiNode.GetName()
    if not roiNode.IsA("vtkMRMLMarkupsROINode"):
        raise MedVLPError(_("'{name}' is not a region of interest.").format(name=name), _("Choose a ROI node."))
    parentToWorld(roiNode)  # refuses what is not linear
    size = np.array(roiNode.GetSize())
    if not np.all(size > 0):
        raise MedVLPError(
            _("The region of interest '{name}' has no size.").format(name=name), _("Place it, or choose none.")
        )
    corners = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * size
    toWorld = _objectToWorld(roiNode)
    world = corners @ toWorld[:3, :3].T + toWorld[:3, 3]
    low, high = world.min(axis=0), world.max(axis=0)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1]), float(low[2]), float(high[2])


def roiNote(roiNode: Any) -> str:
    """What to tell about a ROI that does not lie along R, A and S; "" for one that does."""
    axes = np.abs(_objectToWorld(roiNode)[:3, :3])
    if np.count_nonzero(axes > 1e-4 * axes.max()) == 3:
        return ""
    return _("The region of interest '{name}' is rotated: the smallest upright box around it is used.").format(
        name=roiNode.GetName()
    )


def _objectToWorld(roiNode: Any) -> NDArray[np.float64]:
    """The ROI's own axes, origin in its middle → world, with the transforms above it."""
    return toNumpy(roiNode.GetObjectToWorldMatrix())
