"""The options of `vlp3d caption` that say who writes, and the maker that they mean."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from vlp3d_core.cli.options import positive
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.train.captioning import CaptionMaker
    from vlp3d_core.train.captioning.facts import FactsMaker

# The options that each maker listens to. Any other one that is given is a misunderstanding.
USED = {
    "facts": {"model"},
    "vlm": {"vlm", "download", "slices", "prompt", "max_tokens"},
    "endpoint": {"endpoint", "endpoint_model", "send", "allow_upload", "timeout", "prompt", "max_tokens"},
}
OF_SENT = {"facts": {"model"}, "slices": {"slices"}}


def add_maker(parser: argparse.ArgumentParser) -> None:
    """`--maker` and what belongs to each."""
    parser.add_argument("--maker", choices=tuple(USED), default="facts", help="who writes; default facts")
    facts = parser.add_argument_group("facts (and endpoint, which is sent them)")
    facts.add_argument(
        "--model", metavar="NAME|FOLDER", help="segments volumes that have no label map, so that they can be measured"
    )
    shown = parser.add_argument_group("vlm and endpoint")
    shown.add_argument(
        "--slices", type=positive, metavar="N", help="axial slices, spread through the body; default 1, in the middle"
    )
    shown.add_argument(
        "--prompt", metavar="TEXT", help="the question to a chat model or endpoint; the caption's beginning for BLIP"
    )
    shown.add_argument(
        "--max-tokens", type=positive, metavar="N", help="longest text, in word pieces; default 50 (endpoint: 256)"
    )
    vlm = parser.add_argument_group("vlm: an image-to-text model of transformers, with safetensors weights")
    vlm.add_argument("--vlm", metavar="NAME|FOLDER", help="a folder, or a name on the Hugging Face hub")
    vlm.add_argument("--download", action="store_true", help="fetch it from the hub; without this nothing is fetched")
    server = parser.add_argument_group(
        "endpoint: an OpenAI-compatible server (vLLM, Ollama, llama.cpp …)",
        "A key is taken from the environment variable MEDVLP_ENDPOINT_KEY. Answers are kept in the user's cache, "
        "or below MEDVLP_CACHE, so that the same question is asked once.",
    )
    server.add_argument("--endpoint", metavar="URL", help="such as http://localhost:11434/v1")
    server.add_argument("--endpoint-model", metavar="NAME", help="the model's name there")
    server.add_argument("--send", choices=tuple(OF_SENT), help="measured facts as text (default), or slices as PNG")
    server.add_argument("--allow-upload", action="store_true", help="you may and want to send that to another computer")
    server.add_argument(
        "--timeout", type=positive, metavar="SECONDS", help="how long an answer may take; default 120, tried 5 times"
    )


def make_maker(args: argparse.Namespace) -> CaptionMaker:
    """The maker that was asked for, ready to write.

    Raises:
        UsageError: an option is missing, or belongs to another maker.
        MedVLPError: its model cannot be loaded.
    """
    _check(args)
    if args.maker == "facts":
        return _facts(args.model)
    if args.maker == "vlm":
        from vlp3d_core.train.captioning.vlm import TOKENS, VlmMaker

        return VlmMaker(args.vlm, args.slices or 1, args.prompt or "", args.max_tokens or TOKENS, args.download)
    from vlp3d_core.train.captioning.client import KEY, Patience
    from vlp3d_core.train.captioning.endpoint import TOKENS, EndpointMaker

    return EndpointMaker(
        args.endpoint,
        args.endpoint_model,
        _facts(args.model),
        args.send or "facts",
        args.slices or 1,
        args.prompt or "",
        args.max_tokens or TOKENS,
        args.allow_upload,
        os.environ.get(KEY, ""),
        Patience(timeout=args.timeout) if args.timeout else None,
        fresh=args.again,
        tell=_tell,
    )


def _check(args: argparse.Namespace) -> None:
    used = USED[args.maker] | (OF_SENT[args.send or "facts"] if args.maker == "endpoint" else set())
    for name in sorted(set().union(*USED.values(), *OF_SENT.values()) - used):
        if getattr(args, name) not in (None, False):
            what = f"--maker {args.maker}" + (f" --send {args.send or 'facts'}" if args.maker == "endpoint" else "")
            raise UsageError(f"--{name.replace('_', '-')} means nothing with {what}.", "Leave it away.")
    needed = {"vlm": ("vlm",), "endpoint": ("endpoint", "endpoint_model")}.get(args.maker, ())
    for name in needed:
        if not getattr(args, name):
            raise UsageError(
                f"--maker {args.maker} needs --{name.replace('_', '-')}.", "`vlp3d caption --help` explains it."
            )


def _tell(text: str) -> None:
    """A note that leaves the progress bar whole."""
    from tqdm import tqdm

    tqdm.write(f"vlp3d: note: {text}", file=sys.stderr)


def _facts(model: str | None) -> FactsMaker:
    from vlp3d_core.train.captioning.facts import FactsMaker

    if model is None:
        return FactsMaker()
    from vlp3d_core import load_model

    return FactsMaker(load_model(model).segment)
