"""What the commands that train share."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError

NEEDED = ("yaml", "lightning", "tensorboard")


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


def check_extra() -> None:
    """Training needs more packages than use; say all of it at once."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MedVLPError(
            f"Training needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed.",
            'Run `pip install "vlp3d-core[train]"`.',
        )


def kept(out: Path) -> str:
    """What a run that was stopped at once has left, and how to go on."""
    from vlp3d_core.train.trainer import LAST

    if (out / LAST).is_file():
        return f"Kept: {out / LAST}. Go on with the same command and --resume."
    return f"No checkpoint was made yet; volumes that were prepared stay in {out}."
