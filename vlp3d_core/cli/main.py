"""The frame of the command `vlp3d`: finds the command, runs it, and turns every failure into one line and an exit code.

A command is a module of this package with `add_parser(subparsers)` and `run(args) -> int`, and `complete(arguments)`
where what is typed may be less than what is meant. It is imported only when it
was chosen, so that `vlp3d --help` answers at once. Exit codes: 0 done, 1 the work failed or was stopped, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any, NoReturn

from vlp3d_core import __version__
from vlp3d_core.cli.failure import explain
from vlp3d_core.cli.output import accept_any_text, print_failure, quiet_libraries
from vlp3d_core.errors import UsageError

COMMANDS = {
    "segment": "segment structures of a CT, MR or EM volume",
    "find": "find the regions of a volume that a text describes",
    "models": "list the models, show the card of one, add, remove and export models",
    "evaluate": "score segmentations, instances, findings, regions, or retrieval",
    "manifest": "list and check the volumes of a folder, for training",
    "caption": "write texts for volumes without reports",
    "finetune": "fine-tune a model on own volumes and labels",
    "pretrain": "pretrain an encoder on own volumes and reports",
    "scaling": "train over parts of the data and sizes of the network, and fit how the error falls",
    "jobs": "run trainings and evaluations on their own; watch, stop and resume them",
    "trial": "make a job's first steps; say what the whole run needs",
    "report": "write the report page of a training run",
    "phantom": "make procedural volumes with labels and reports, for tests and trials",
    "demo": "make a phantom, segment it, and show the result",
}


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises its complaints, so that they look like every other error."""

    def __init__(self, **options: Any) -> None:
        # Abbreviations would make scripts depend on which options there are today.
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:].rstrip(".") + "."
        raise UsageError(sentence, f"`{self.prog} --help` shows the options.")


def build_parser(command: str, module: ModuleType | None) -> Parser:
    """A parser that lists all commands and knows the options of `command`, the one that `module` implements."""
    parser = Parser(
        prog="vlp3d",
        description="3D vision-language models for medical volumes. For research; not a medical device.",
        epilog="`vlp3d COMMAND --help` shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"vlp3d {__version__}")
    _add_debug(parser, default=False)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if module is not None and name == command:
            module.add_parser(subparsers)
            _add_debug(subparsers.choices[name], default=argparse.SUPPRESS)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code; only `--help` and `--version` leave by SystemExit(0).

    Args:
        argv: the arguments after the program's name; None takes those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    debug = "--debug" in arguments
    accept_any_text()
    try:
        with _terminate_like_interrupt():
            code = _run(arguments, debug)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # The reader has left (`vlp3d models | head -1`). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            import traceback

            traceback.print_exc()
        failure = explain(error)
        print_failure(failure, as_json)
        return 2 if isinstance(failure, UsageError) else 1


def _run(arguments: list[str], debug: bool) -> int:
    command = next((word for word in arguments if not word.startswith("-")), "")
    module = import_module(f"vlp3d_core.cli.{command}") if command in COMMANDS else None
    complete = getattr(module, "complete", None)  # a command may have a subcommand that need not be said
    if complete is not None:
        arguments = complete(arguments)
    args = build_parser(command, module).parse_args(arguments)
    assert module is not None, "argparse refuses unknown commands"
    if not debug:
        quiet_libraries()
    return int(module.run(args))


def _add_debug(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--debug", action="store_true", default=default, help="show warnings and the traceback")


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """Let SIGTERM (a cluster's or a service's polite stop) clean up as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # only the main thread may set handlers
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
