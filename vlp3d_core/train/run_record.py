"""`run.json` in a run's folder: with what, when and for how long a run was computed, one part for each start of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.files import replacing, sha256_of
from vlp3d_core.train.machine import hardware, source_state, versions
from vlp3d_core.train.processes import leads
from vlp3d_core.train.settings import RunSettings

RECORD = "run.json"


@contextmanager
def recorded(run: RunSettings, out: Path, manifest: Path, resume: bool) -> Iterator[None]:
    """Write the record when the block begins and when it ends, however it ends.

    A part whose "end" is still "running" was killed, or is running.
    """
    if not leads(run):
        yield
        return
    parts = read_parts(out) if resume else []
    part = {
        "command": list(sys.argv),
        "seed": run.seed,
        "manifest": {"name": manifest.name, "path": str(manifest.resolve()), "sha256": sha256_of(manifest)},
        "hardware": hardware(),
        "processes": run.processes,
        "versions": versions(),
        "git": source_state(),
        "started": _now(),
        "ended": None,
        "seconds": None,
        "end": "running",
    }
    start = time.monotonic()
    _write(out, [*parts, part])

    def end(how: str) -> None:
        ended = {"ended": _now(), "seconds": round(time.monotonic() - start, 1), "end": how}
        _write(out, [*parts, part | ended])

    try:
        yield
    except BaseException as error:
        with suppress(MedVLPError):  # the disk may be full; what has happened counts more
            end("stopped" if isinstance(error, (Cancelled, KeyboardInterrupt)) else f"failed: {error}")
        raise
    end("finished")


def read_parts(out: Path) -> list[dict[str, Any]]:
    """The parts of the run in a folder so far; none where there is no record that can be read."""
    try:
        parts = json.loads((out / RECORD).read_text(encoding="utf-8"))["parts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _write(out: Path, parts: list[dict[str, Any]]) -> None:
    seconds = sum(part.get("seconds") or 0 for part in parts)
    with replacing(out / RECORD) as temporary:
        record = {"format": 1, "seconds": round(seconds, 1), "parts": parts}
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
