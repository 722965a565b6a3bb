"""What the commands say: results on standard output, for people or as JSON; progress and errors on standard error."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.progress import Progress, silent
from vlp3d_core.service.jobs.doing import VARIABLE, telling

_NOISY = (
    "transformers",
    "huggingface_hub",
    "monai",
    "lightning",
    "lightning.pytorch",
    "pydicom",
    "highdicom",
    "nibabel.global",
)


def print_json(value: Any) -> None:
    """Print one JSON document. Paths become strings, NumPy values plain ones, NaN and infinities null."""
    print(json.dumps(_plain(value), indent=2, allow_nan=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print left-aligned columns, two spaces apart."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_failure(failure: MedVLPError, as_json: bool) -> None:
    """Print one line for people and, when asked for, the same as JSON on standard output."""
    line = " ".join(str(failure).split())
    prefix = "" if isinstance(failure, Cancelled) else "error: "
    print(f"vlp3d: {prefix}{line}", file=sys.stderr)
    if as_json:
        print_json({"error": {"cause": failure.cause, "remedy": failure.remedy}})


def print_note(text: str) -> None:
    """Print what the user should know on standard error, beside the result."""
    print(f"vlp3d: note: {text}", file=sys.stderr)


@contextmanager
def progress_bar(as_json: bool = False) -> Iterator[Progress]:
    """A `Progress` that draws one bar on standard error; for machines and where nobody watches a silent one, or that of
    a job, which tells its file."""
    if as_json or not sys.stderr.isatty():
        path = os.environ.get(VARIABLE)
        yield telling(Path(path)) if path else silent
        return
    from tqdm import tqdm

    layout = "{desc:<20}{percentage:3.0f}% |{bar:30}| {elapsed}"
    with tqdm(total=100, bar_format=layout, leave=False, file=sys.stderr) as bar:

        def show(stage: str, fraction: float) -> None:
            bar.desc = stage
            bar.n = round(100 * min(max(fraction, 0.0), 1.0))
            bar.update(0)
            bar.refresh()

        yield show


def quiet_libraries() -> None:
    """Keep other libraries' warnings and log lines off the terminal; `--debug` leaves them on."""
    warnings.simplefilter("ignore")
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Its thread pool warns when the process forks afterwards, and one short prompt needs no pool.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def accept_any_text() -> None:
    """Let names that the terminal's encoding lacks be printed escaped; the default is an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
