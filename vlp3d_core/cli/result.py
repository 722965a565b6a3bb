"""How a segmentation is told: as a table for people, as CSV, as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.output import print_table
from vlp3d_core.errors import Cancelled
from vlp3d_core.files import replacing
from vlp3d_core.volume.segmentation import CELL_ML, UM3, volume_text

if TYPE_CHECKING:
    from vlp3d_core.model.devices import Device
    from vlp3d_core.model.estimate import Estimate
    from vlp3d_core.volume.segmentation import Segment, Segmentation

SHOWN = 20
"""Instances that are printed; the table has all of them."""
INSTANCE_COLUMNS = ("value", "id", "name", "volume_um3", "r_mm", "a_mm", "s_mm", "score")


def result_json(segmentation: Segmentation) -> dict[str, Any]:
    """Model, labels, notes and report, as the file beside a NIfTI result has them; notes and report always there."""
    from vlp3d_core.volume.write_nifti import sidecar

    return {"notes": [], "report": {}} | sidecar(segmentation)


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """What a run was expected to need."""
    return {
        "memory_bytes": estimate.memory_bytes,
        "free_bytes": estimate.free_bytes,
        "seconds": round(estimate.seconds, 2),
        "tile": list(estimate.tile),
        "reduced": estimate.reduced,
    }


def estimate_note(estimate: Estimate, device: Device) -> str:
    """What a run is expected to need, said before it."""
    tile = " x ".join(map(str, estimate.tile))
    return (
        f"about {max(estimate.seconds, 1):.0f} s on {device}, {estimate.memory_bytes / 1e9:.1f} GB of memory "
        f"({estimate.free_bytes / 1e9:.1f} GB free), tiles of {tile} voxels."
    )


def print_segments(segmentation: Segmentation) -> None:
    """One line per structure, found or not; of instances the largest."""
    if any(s.instance for s in segmentation.segments):
        _print_instances(segmentation)
        return
    cells = any(0 < s.volume_ml < CELL_ML for s in segmentation.segments)
    print_table(
        ("STRUCTURE", "FOUND", "VOLUME" if cells else "ML", "SCORE"),
        (
            (s.name, "yes", volume_text(s.volume_ml) if cells else f"{s.volume_ml:.1f}", f"{s.score:.2f}")
            if s.found
            else (s.name, "nothing found", "-", f"{s.score:.2f}")
            for s in segmentation.segments
        ),
    )


def _print_instances(segmentation: Segmentation) -> None:
    shown = segmentation.segments[:SHOWN]
    rows = ((s.name, volume_text(s.volume_ml), _place_um(s), f"{s.score:.2f}") for s in shown)
    print_table(("INSTANCE", "VOLUME", "CENTRE (R, A, S µM)", "SCORE"), rows)
    more = len(segmentation.segments) - len(shown)
    if more:
        print(f"and {more:,} smaller ones")


def _place_um(segment: Segment) -> str:
    return ", ".join(f"{1000 * mm:.2f}" for mm in segment.centre or ())


def write_table(segmentation: Segmentation, path: Path) -> None:
    """One CSV line per structure or instance; the file appears complete or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        if any(s.instance for s in segmentation.segments):
            table.writerow(INSTANCE_COLUMNS)
            table.writerows(
                (s.value, s.id, s.name, f"{UM3 * s.volume_ml:.4g}", *(s.centre or ("", "", "")), s.score)
                for s in segmentation.segments
            )
            return
        table.writerow(("value", "concept", "structure", "found", "volume_ml", "score"))
        for s in segmentation.segments:
            table.writerow((s.value, s.concept, s.name, "yes" if s.found else "no", s.volume_ml, s.score))


@contextmanager
def interrupted(*written: Path) -> Iterator[None]:
    """Ctrl-C says what was written already, because "nothing was written" would not be true any more."""
    try:
        yield
    except KeyboardInterrupt:
        names = ", ".join(str(path) for path in written if path.exists())
        raise Cancelled(f"Complete: {names}." if names else "Nothing was written.") from None
