"""`vlp3d pretrain`: teach an image encoder from volumes and their reports, without labels."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.options import whole
from vlp3d_core.cli.output import print_json
from vlp3d_core.cli.training import RESUME, check_extra, let_words_stand_anywhere, train, write_page
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.model.pretrained import Pretrained
    from vlp3d_core.train.pretrain_config import PretrainConfig

METHODS = ("gtgm", "t3d", "mg3d")


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("pretrain", description=__doc__)
    parser.add_argument("method", choices=METHODS, help="gtgm: arXiv 2306.04811; t3d: 2312.01529; mg3d: 2412.05876")
    parser.add_argument("changes", nargs="*", metavar="key=value", help="changes of the recipe's settings")
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes with reports")
    parser.add_argument("--out", required=True, type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--recipe", default="small", metavar="SIZE|FILE", help="small (default), base, paper, or a YAML file"
    )
    parser.add_argument("--resume", action="store_true", help=RESUME)
    parser.add_argument("--seed", type=whole, metavar="N", help="of weights, crops and augmentation")
    parser.add_argument("--json", action="store_true", help="print JSON")
    let_words_stand_anywhere(parser)


def run(args: argparse.Namespace) -> int:
    check_extra()
    from vlp3d_core.train.pretrain_config import load_pretrain_config

    changes = [*args.changes, *([] if args.seed is None else [f"seed={args.seed}"])]
    config = load_pretrain_config(args.method, args.recipe, changes)
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"{args.out} is a file.", "Give a folder to --out.")
    pretrained = _train(args, config)
    if pretrained is None:
        return 0
    write_page(args)
    if args.json:
        print_json({"run": args.out, "card": pretrained.card})
    else:
        print(f"{args.out}: an encoder pretrained by {config.method} in {config.steps} steps")
        print(f"Try it: vlp3d evaluate retrieval --checkpoint {args.out} --manifest {args.manifest}")
    return 0


def _train(args: argparse.Namespace, config: PretrainConfig) -> Pretrained | None:
    from vlp3d_core.train.pretrain import pretrain

    return train(args, config, partial(pretrain, config, args.manifest, args.out))
