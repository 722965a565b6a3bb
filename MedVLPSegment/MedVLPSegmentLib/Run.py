"""One piece of work that the worker does for the scene, from the click to the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError


class Run:
    """Waits, runs and ends; made by `SegmentLogic`, which moves it on from `poll`.

    Attributes:
        kind: "hello", "models", "choose", "estimate", "encode", "segment" or "find".
        volumeId, volumeName: the volume node when the run began, "" for a run without one.
        request: what was asked for; two runs that wait or run are never the same in kind, volume and request.
        grid: index → world RAS mm of the volume when the run began; None without a volume.
        state: "waiting", "running", "done", "failed" or "cancelled".
        stage, fraction, remaining: where it is: a word, 0 to 1, seconds or None where not known.
        result: what came out, by kind; None before the end.
        error: why there is no result; also for a run that was cancelled because its volume went away.
        then: makes the second job of the result of the first one; None for a run of one job, and in the second.
        behind: part of the whole that lies behind when the job begins.
        onProgress, onEnd: called with the run, in the thread that polls.
    """

    def __init__(
        self,
        kind: str,
        volumeNode: Any = None,
        request: dict[str, Any] | None = None,
        onProgress: Callable[[Run], None] | None = None,
        onEnd: Callable[[Run], None] | None = None,
    ) -> None:
        self.kind = kind
        self.volumeId: str = volumeNode.GetID() if volumeNode else ""
        self.volumeName: str = volumeNode.GetName() if volumeNode else ""
        self.request = request or {}
        self.grid: NDArray[np.float64] | None = None
        self.notes: tuple[str, ...] = ()
        self.state = "waiting"
        self.stage = ""
        self.fraction = 0.0
        self.remaining: float | None = None
        self.result: Any = None
        self.error: MedVLPError | None = None
        self.onProgress = onProgress
        self.onEnd = onEnd
        self.scene = 0
        self.job: Any = None
        self.then: Callable[[Any], Any] | None = None
        self.behind = 0.0
        self.finish: Callable[[Run, Any], Any] = lambda run, result: result
        self.stopped: MedVLPError | None = None
        self.stop: Callable[[Run], None] = lambda run: None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    def cancel(self) -> None:
        """Ask for the end; `onEnd` is called within about a second, from `poll`. Does nothing once it has ended."""
        if not self.ended:
            self.stop(self)

    def same(self, other: Run) -> bool:
        """Whether the other asks for the same thing."""
        return (self.kind, self.volumeId, self.request) == (other.kind, other.volumeId, other.request)
