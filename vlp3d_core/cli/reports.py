"""`vlp3d evaluate reports`: what a trained model writes of volumes, against the reports that somebody wrote."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlp3d_core.cli.output import print_json, print_note, print_table, progress_bar
from vlp3d_core.cli.runs import add_cases, refuse_trained_on
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import replacing

if TYPE_CHECKING:
    from vlp3d_core.train.manifest import Case

MODEL, SHUFFLED, CONSTANT = "model", "images shuffled", "one report for all"


def add_reports(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate reports`."""
    parser.add_argument(
        "--model", required=True, type=Path, metavar="RUN", help="--out of a `vlp3d finetune` with task: report"
    )
    add_cases(parser, "volumes with reports")
    parser.add_argument("-o", "--output", type=Path, metavar="REPORTS.jsonl", help="write what the model wrote")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.report_scores import Reference, score_reports, scores_table
    from vlp3d_core.evaluate.report_words import most_typical
    from vlp3d_core.model.reporter import load_reporter
    from vlp3d_core.predict.describe import describe
    from vlp3d_core.train.pairs import derangement
    from vlp3d_core.volume import read_volume

    if args.output is not None and not args.output.absolute().parent.is_dir():
        raise UsageError(f"The folder of {args.output} does not exist.", "Create it, or choose another.")
    reporter = load_reporter(args.model)
    cases, training = _cases(args)
    refuse_trained_on(args.model, [case.subject for case in cases], args.split)
    written = []
    with progress_bar(args.json) as progress:
        for number, case in enumerate(cases, 1):
            written.append(describe(reporter, read_volume(case.image, modality=case.modality or None)))
            progress("writing reports", number / len(cases))
    if args.output is not None:
        _write(args.output, cases, written)
    texts = {MODEL: written}
    if args.shuffle_images:
        texts[SHUFFLED] = [written[n] for n in derangement(len(cases), 0)]
    if training:
        texts[CONSTANT] = [most_typical(training)] * len(cases)
    else:
        print_note(f"{args.manifest} has no reports for training: nothing to compare one report for all with.")
    references = [Reference(case.subject, case.report, case.findings) for case in cases]
    columns = {name: score_reports(reports, references) for name, reports in texts.items()}
    if args.json:
        scores = {name: {key: s.to_json() for key, s in column.items()} for name, column in columns.items()}
        print_json({"studies": len(cases), "subjects": len({case.subject for case in cases}), "scores": scores})
    else:
        print(f"{len(cases)} studies. [95 % interval, bootstrap by subject]")
        head, *rows = scores_table(columns)
        print_table(head, rows)
        silent = sum(not text for text in written)
        if silent:
            print(f"Of {silent} studies the model wrote nothing.")
    return 0


def _cases(args: argparse.Namespace) -> tuple[list[Case], list[str]]:
    """The studies to evaluate, and the reports for training.

    Raises:
        MedVLPError: none have reports, or too few for what is asked.
    """
    from vlp3d_core.train.pretrain import pairs_in

    pairs = pairs_in(args.manifest)
    cases = [case for case in pairs if args.split in ("all", case.split)]
    if not cases:
        raise MedVLPError(
            f"No volume of the split {args.split!r} in {args.manifest} has a report.",
            'Add "report" to its lines, or choose another split.',
        )
    if args.shuffle_images and len(cases) < 2:
        raise MedVLPError("One study has no other to be shuffled with.", "Leave --shuffle-images out.")
    return cases, [case.report for case in pairs if case.split == "train"]


def _write(path: Path, cases: Sequence[Case], written: Sequence[str]) -> None:
    """One JSON object a study: subject, image, the report of the manifest, and what the model wrote of that image."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for case, text in zip(cases, written, strict=True):
            row = {"subject": case.subject, "image": str(case.image), "report": case.report, "written": text}
            file.write(json.dumps(row) + "\n")
