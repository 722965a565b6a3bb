"""How much memory a run could take now, on this computer or in the container that it is in. Does not load torch."""

from __future__ import annotations

from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes."""
    return min(int(psutil.virtual_memory().available), _left_in_container(CGROUP))


def total_memory() -> int:
    """Bytes, whoever uses them."""
    return min(int(psutil.virtual_memory().total), _limit_of_container(CGROUP))


def _limit_of_container(cgroup: Path) -> int:
    """Of cgroup v2; very large outside of a container."""
    try:
        return int((cgroup / "memory.max").read_text())
    except (OSError, ValueError):
        return 1 << 62


def _left_in_container(cgroup: Path) -> int:
    """What a container (cgroup v2) may still take, which the machine's own figures do not know; very large outside one.

    File cache counts as used there and is given back on demand, so it does not count here.
    """
    try:
        used = int((cgroup / "memory.current").read_text())
        rows = (line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        cache = next((int(row[1]) for row in rows if row[0] == "inactive_file"), 0)
    except (OSError, ValueError):
        return 1 << 62
    return max(0, _limit_of_container(cgroup) - used + cache)
