"""`vlp3d evaluate classification`: how well a trained classifier tells findings."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.cli.runs import add_cases, cases_with_findings, print_findings, refuse_trained_on


def add_classification(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate classification`."""
    parser.add_argument(
        "--model", required=True, type=Path, metavar="RUN", help="--out of a `vlp3d finetune` with task: classification"
    )
    add_cases(parser, 'volumes with "findings"')
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.findings import score_findings, truth_of
    from vlp3d_core.model.classifier import load_classifier
    from vlp3d_core.predict.represent import finding_logits
    from vlp3d_core.train.pairs import derangement
    from vlp3d_core.volume import read_volume

    classifier = load_classifier(args.model)
    cases = cases_with_findings(args.manifest, args.split)
    refuse_trained_on(args.model, [case.subject for case in cases], args.split)
    names = classifier.model.findings
    logits = []
    with progress_bar(args.json) as progress:
        for number, case in enumerate(cases, 1):
            logits.append(finding_logits(classifier, read_volume(case.image, modality=case.modality or None)))
            progress("reading volumes", number / len(cases))
    order = derangement(len(cases), 0) if args.shuffle_images else np.arange(len(cases))
    truth = truth_of([case.findings for case in cases], names)
    found = score_findings(names, np.stack(logits)[order].astype(float), truth, [case.subject for case in cases])
    not_learned = sorted({name for case in cases for name in case.findings} - set(names))
    if args.json:
        print_json({**found.to_json(), "not_learned": not_learned})
    else:
        print_findings(found, args.shuffle_images, {"Not learned": not_learned})
    return 0
