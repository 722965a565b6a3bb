"""The rows of a benchmark: measured value, limit, verdict; as text, and as a Markdown table in the documentation."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

START, END = "<!-- measured: start -->", "<!-- measured: end -->"
LIBRARIES = ("torch", "monai", "numpy", "scipy", "SimpleITK")


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        benchmark: which one it belongs to.
        what: what was measured, unit included.
        value: the number.
        limit: the most it may be; None where it is only told.
        digits: behind the point.
    """

    benchmark: str
    what: str
    value: float
    limit: float | None = None
    digits: int = 1

    @property
    def passed(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def cells(self) -> tuple[str, str, str, str, str]:
        limit = "" if self.limit is None else f"≤ {self.limit:.{self.digits}f}"
        verdict = "" if self.limit is None else ("pass" if self.passed else "FAIL")
        return self.benchmark, self.what, f"{self.value:.{self.digits}f}", limit, verdict


def as_markdown(rows: Sequence[Row], command: str) -> str:
    """Where, when and how it was measured, and the table."""
    lines = [
        f"{datetime.date.today().isoformat()}, `{command}`, {machine()}.",
        "",
        "| benchmark | measured | value | limit | |",
        "|---|---|---:|---:|---|",
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
    ]
    return "\n".join(lines)


def write_table(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    content = page.read_text(encoding="utf-8")
    before, rest = content.split(START)
    _, after = rest.split(END)
    page.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


def machine() -> str:
    """Processor, threads, memory and versions in one phrase."""
    import psutil
    import torch

    name = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{name} ({os.cpu_count()} cores, {torch.get_num_threads()} threads, {memory:.0f} GiB), {platform.system()}, "
        f"Python {platform.python_version()}, {libraries}"
    )
