"""How long a training still takes, from the steps of its last minutes."""

from __future__ import annotations

from collections import deque

WINDOW = 300.0
"""Seconds whose steps count: long enough for a validation now and then, short enough to notice another pace."""


class Pace:
    """Steps as they were seen, with the time of a clock that nobody can set (`time.monotonic`)."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, step: int, now: float) -> None:
        """The latest step is this one, seen at `now` seconds."""
        seen = self._seen
        if seen and step < seen[-1][1]:
            seen.clear()  # resumed from a checkpoint
        if not seen or step > seen[-1][1]:
            seen.append((now, step))
        while len(seen) > 2 and now - seen[0][0] > WINDOW:
            seen.popleft()

    def left(self, steps: int | None, now: float) -> float | None:
        """Seconds until the last of `steps` steps, which are counted from 0; None where that is not known (yet)."""
        if steps is None or len(self._seen) < 2:
            return None
        (first, begin), (last, end) = self._seen[0], self._seen[-1]
        if last <= first:
            return None
        return max(0.0, (steps - 1 - end) * (last - first) / (end - begin) - (now - last))
