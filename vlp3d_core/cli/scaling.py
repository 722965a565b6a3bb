"""`vlp3d scaling`: train over parts of the data, sizes of the network and seeds, and fit how the error falls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.options import factor, fraction, several, whole
from vlp3d_core.cli.output import print_json, print_table, progress_bar
from vlp3d_core.cli.training import check_extra, let_words_stand_anywhere
from vlp3d_core.errors import Cancelled, UsageError
from vlp3d_core.progress import Progress, check, never

if TYPE_CHECKING:
    from vlp3d_core.evaluate.scaling import ScaledRun, Scaling
    from vlp3d_core.train.scaling import Cell, Grid
    from vlp3d_core.train.stop import StopRequest


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("scaling", description=__doc__)
    parser.add_argument(
        "recipe", metavar="RECIPE", help="gtgm, t3d or mg3d (small), or any recipe of pretraining or segmentation"
    )
    parser.add_argument("changes", nargs="*", metavar="key=value", help="changes of the recipe's settings")
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="what all runs train on")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="of all runs and the result")
    parser.add_argument(
        "--fractions", type=several(fraction), default=(0.01, 0.1, 1.0), metavar="F,F",
        help="parts of the training subjects; smaller ones lie within larger ones; default 0.01,0.1,1",
    )  # fmt: skip
    parser.add_argument(
        "--sizes", type=several(factor), default=(1.0,), metavar="S,S",
        help="factors of the encoder's channels, in multiples of 8; default 1",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=several(whole), default=(0, 1, 2), metavar="N,N", help="of subjects and weights; default 0,1,2"
    )
    parser.add_argument("--init", type=Path, metavar="RUN|BUNDLE", help="start every run from these weights; size 1")
    parser.add_argument("--split", default="test", choices=("validation", "test"), help="scored on; default: test")
    parser.add_argument(
        "--resume", action="store_true", help="go on: finished runs are kept; fractions, sizes, seeds may be added"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    let_words_stand_anywhere(parser)


def run(args: argparse.Namespace) -> int:
    check_extra()
    from vlp3d_core.cli.scaling_score import check_split
    from vlp3d_core.train.grid_folder import open_grid
    from vlp3d_core.train.scaling import Grid, cells_of, load_recipe

    config = load_recipe(args.recipe, args.changes)
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"{args.out} is a file.", "Give a folder to --out.")
    grid = Grid(config, args.manifest, args.out, args.fractions, args.sizes, args.seeds, args.split, args.init)
    cells = cells_of(grid)
    check_split(grid)
    open_grid(grid, args.resume or _restarted(args.out))
    result = _result(args, grid, _run_all(grid, cells, args.json))
    _write(result, args.out)
    if args.json:
        print_json(result.to_json())
    else:
        _print(result, args.out)
    return 0


def _run_all(grid: Grid, cells: list[Cell], as_json: bool) -> list[ScaledRun]:
    from vlp3d_core.train.stop import StopRequest

    stop, runs = StopRequest(never), list[Any]()
    try:
        with progress_bar(as_json) as progress:
            for number, cell in enumerate(cells):
                runs.append(_run_cell(grid, cell, _part(progress, number, len(cells)), stop))
    except (Cancelled, KeyboardInterrupt) as stopped:
        why = stopped.remedy if isinstance(stopped, Cancelled) else ""
        kept = f"{len(runs)} of {len(cells)} runs are finished; the same command with --resume goes on."
        raise Cancelled(f"{why} {kept}".strip()) from None
    return runs


def _run_cell(grid: Grid, cell: Cell, progress: Progress, stop: StopRequest) -> ScaledRun:
    from vlp3d_core.cli.scaling_score import score_cell
    from vlp3d_core.evaluate.scaling import ScaledRun
    from vlp3d_core.train.grid_folder import read_score, write_score
    from vlp3d_core.train.scaling import train_cell

    score = read_score(cell)
    if score is None:
        train_cell(grid, cell, progress, stop)
        check(stop)  # a run that is asked to stop in its last step ends, and the next one shall not begin
        score = score_cell(grid, cell, progress)
        write_score(cell, score)
    place = (cell.folder.name, cell.fraction, cell.size, cell.seed, cell.subjects, cell.volumes)
    return ScaledRun(*place, cell.encoder_parameters, score["parameters"], score["error"], score["metrics"])


def _part(progress: Progress, number: int, of: int) -> Progress:
    """The progress of one run among all."""
    return lambda stage, done: progress(f"{number + 1}/{of} {stage}", (number + min(done, 1.0)) / of)


def _result(args: argparse.Namespace, grid: Grid, runs: list[ScaledRun]) -> Scaling:
    from vlp3d_core.cli.scaling_score import error_of
    from vlp3d_core.evaluate.scaling import scaling
    from vlp3d_core.files import sha256_of

    facts = {
        "recipe": args.recipe,
        "changes": list(args.changes),
        "steps": grid.config.steps,
        "manifest": {"name": args.manifest.name, "sha256": sha256_of(args.manifest)},
        "split": args.split,
        "init": None if args.init is None else str(args.init),
    }
    return scaling(runs, error_of(grid.config), facts)


def _write(result: Scaling, out: Path) -> None:
    from vlp3d_core.evaluate.scaling import write_scaling_csv, write_scaling_json
    from vlp3d_core.evaluate.scaling_picture import write_scaling_picture

    write_scaling_csv(result, out / "scaling.csv")
    write_scaling_picture(result, out / "scaling.png")
    write_scaling_json(result, out / "scaling.json")


def _print(result: Scaling, out: Path) -> None:
    from vlp3d_core.evaluate.scaling import law_lines, table_rows

    print_table(*table_rows(result))
    print()
    for line in law_lines(result):
        print(line)
    print(f"Mean ± standard deviation over seeds; [95 % interval of the law]. {out}: scaling.json, .csv, .png")


def _restarted(out: Path) -> bool:
    """A job that SLURM has started again goes on by itself."""
    from vlp3d_core.train.grid_folder import PLAN
    from vlp3d_core.train.slurm import restarted

    return restarted() and (out / PLAN).is_file()
