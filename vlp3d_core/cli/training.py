"""What the commands that train share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vlp3d_core.cli.output import progress_bar
from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.progress import silent

if TYPE_CHECKING:
    from vlp3d_core.train.settings import RunSettings

Result = TypeVar("Result")
RESUME = "go on from the run's last checkpoint; a job that SLURM restarts does so by itself"
NEEDED = {
    "blosc2": "blosc2",
    "lightning": "lightning",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
    "yaml": "pyyaml",
}
"""Imported name → package, of what every training or its evaluation may come to."""


def let_words_stand_anywhere(parser: argparse.ArgumentParser) -> None:
    """`RECIPE --out RUN key=value`: argparse by itself takes positional words from one place only."""
    plain = parser.parse_known_args

    def intermixed(args: Any = None, namespace: Any = None) -> Any:
        parser.parse_known_args = plain  # type: ignore[method-assign]
        try:
            return parser.parse_known_intermixed_args(args, namespace)
        finally:
            parser.parse_known_args = intermixed  # type: ignore[method-assign]

    parser.parse_known_args = intermixed  # type: ignore[method-assign]


def check_extra(what: str = "Training") -> None:
    """Training, and scoring what was trained, need more packages than use; say all of it at once.

    An evaluation would otherwise end at its last line, when the scores are computed.
    """
    missing = [package for name, package in NEEDED.items() if find_spec(name) is None]
    if missing:
        raise MedVLPError(
            f"{what} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            'Run `pip install "vlp3d-core[train]"`.',
        )


def kept(out: Path) -> str:
    """What a run that was stopped at once has left, and how to go on."""
    from vlp3d_core.train.trainer import LAST

    if (out / LAST).is_file():
        return f"Kept: {out / LAST}. Go on with the same command and --resume."
    return f"No checkpoint was made yet; volumes that were prepared stay in {out}."


def train(args: argparse.Namespace, config: RunSettings, work: Callable[..., Result]) -> Result | None:
    """Train with a progress bar; None in all processes of a run but the first, which speaks for them.

    Args:
        work: takes `resume` and `progress`.

    Raises:
        Cancelled: says what is kept and how to go on.
    """
    from vlp3d_core.train.processes import leads

    first = leads(config)
    try:
        with progress_bar(args.json) if first else nullcontext(silent) as progress:
            result = work(resume=args.resume or _restarted(args.out), progress=progress)
    except Cancelled:
        if first:
            raise
        return None  # Lightning kills the first process, which may be saving, when another one ends with an error
    except KeyboardInterrupt:  # before the first step, or a second time
        raise Cancelled(kept(args.out)) from None
    return result if first else None


def write_page(args: argparse.Namespace) -> None:
    """The report page of the run that has ended."""
    from vlp3d_core.cli.run_report import write_report_at_end

    with progress_bar(args.json) as progress:
        write_report_at_end(args.out, progress)


def _restarted(out: Path) -> bool:
    """A job that SLURM has started again goes on from its checkpoint, if it got as far as that."""
    from vlp3d_core.train.slurm import restarted
    from vlp3d_core.train.trainer import LAST

    return restarted() and (out / LAST).is_file()
