"""Regions that answered a query, as one label map on the volume's own grid."""

from __future__ import annotations

import numpy as np

from vlp3d_core.predict.find import Regions
from vlp3d_core.predict.postprocess import count_labels
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.segmentation import Segment, Segmentation, rounded_ml


def regions_as_segmentation(regions: Regions, model: str) -> Segmentation:
    """Value = rank, 1 is the best; where regions meet the better one wins. Volumes are those on the native grid.

    Raises:
        ValueError: there is no region.
    """
    if not regions:
        raise ValueError("no regions")
    encoded = regions[0].encoded
    grid = Grid.of(encoded.volume)
    native = np.zeros(grid.shape, np.uint8 if len(regions) < 256 else np.uint16, order="F")
    for rank, region in reversed(list(enumerate(regions, 1))):
        mask, box = region.cut_from(grid)
        native[box][mask > 0] = rank
    counts = count_labels(native, len(regions))
    segments = []
    for rank, region in enumerate(regions, 1):
        c = region.concept
        ml = rounded_ml(counts[rank] * grid.voxel_ml)
        name = f"{c.name} ({rank})"
        segments.append(
            Segment(rank, c.id, name, c.color, c.category, c.type, c.modifier, region.score, ml, bool(counts[rank]))
        )
    return Segmentation(native, encoded.volume.affine, tuple(segments), model, encoded.volume.source, regions.notes)
