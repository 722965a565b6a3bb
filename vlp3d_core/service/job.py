"""A job as its client sees it, and the answer to a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.segmentation import Code

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(eq=False)
class Job:
    """One request to the worker. It changes only in `Worker.poll` (and `wait`), in the thread that calls it.

    Attributes:
        id: number of the job, unique for its `Worker`.
        kind: "hello", "models", "choose", "estimate", "encode", "segment", "likeness" or "find".
        state: the last three are final.
        stage: what is being done (see `protocol.STAGES`), "" before the first word of the worker.
        fraction: part of the whole job that is done, 0 to 1; never falls.
        remaining_seconds: of the whole job; None where it is not known.
        result: once it is done.
        error: once it has failed.
        on_progress, on_end: called in `poll` with the job; `on_end` once, whatever the end.
    """

    id: int
    kind: str
    on_progress: Callable[[Job], None] | None = None
    on_end: Callable[[Job], None] | None = None
    state: State = "waiting"
    stage: str = ""
    fraction: float = 0.0
    remaining_seconds: float | None = None
    result: Any = None
    error: MedVLPError | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class FoundRegion:
    """One region that answers a query.

    Attributes:
        rank: 1 is the best.
        concept: concept id.
        name: display name; `color` is RGB, 0 to 255.
        category, type, modifier: its terminology, as `Concept` has it.
        score: mean probability over the region, 0 to 1.
        centre: centre of mass in RAS mm.
        volume_ml: on the model's grid.
        mask: uint8 (i, j, k), 1 inside, cut to the region's box on the volume's own grid.
        affine: float64 (4, 4) of the crop, index → RAS in mm.
    """

    rank: int
    concept: str
    name: str
    color: tuple[int, int, int]
    category: Code
    type: Code
    modifier: Code | None
    score: float
    centre: tuple[float, float, float]
    volume_ml: float
    mask: NDArray[np.uint8]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """The answer to a query.

    Attributes:
        text: the query.
        regions: best first; when there are none, `notes` say why.
        notes: what the user should know.
        unknown: parts of the text that were not understood.
        suggestions: display names close to those.
    """

    text: str
    regions: tuple[FoundRegion, ...]
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
