"""Which process looks after a job, said so that no other process can be taken for it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Owner:
    """One process of one computer.

    Attributes:
        pid: its number, which other processes get after a while.
        started: when it started, in a form that no change of the clock changes; "" where that cannot be found out.
        host: the computer's name.
        boot: of the computer's present run, where the system tells it (Linux); "" elsewhere.
    """

    pid: int
    started: str
    host: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Owner:
        """The process that has a number now."""
        return cls(pid, start_of(pid) or "", socket.gethostname(), boot())

    @classmethod
    def from_json(cls, value: Any) -> Owner:
        """Raises KeyError or TypeError for anything but what `to_json` gives."""
        pid, texts = value["pid"], [value[key] for key in ("started", "host", "boot")]
        if type(pid) is not int or pid < 1 or not all(isinstance(text, str) for text in texts):
            raise TypeError("it does not name a process")
        return cls(pid, *texts)

    def to_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "started": self.started, "host": self.host, "boot": self.boot}

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this computer."""
        return self.host == socket.gethostname()

    @property
    def gone(self) -> bool:
        """Whether it is known to be over: not a word about processes of other computers."""
        return self.here and (self.boot != boot() or start_of(self.pid) != self.started)


def start_of(pid: int) -> str | None:
    """When a process started; None where there is none, or only its remains, which nobody has fetched yet."""
    try:
        # Ticks since the computer started. psutil adds the time of that, which moves with the clock.
        text = Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = text.rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]
    except FileNotFoundError:
        if BOOT.exists():
            return None
    except (OSError, ValueError, IndexError):
        return None
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


@cache
def boot() -> str:
    """Which run of the computer this is."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
