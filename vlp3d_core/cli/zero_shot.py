"""`vlp3d evaluate zero-shot`: findings told from sentences alone, without training on labels.

A volume's score for a finding is the cosine to what a report says where it is there, less the cosine to what it says
where it is not; each side is the mean over many wordings (Radford et al. 2021, section 3.1.4). A softmax over the two
would give the same order, and only the order counts here.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.cli.output import print_json
from vlp3d_core.cli.runs import (
    add_cases,
    add_checkpoint,
    cases_with_findings,
    image_vectors,
    open_run,
    print_findings,
    refuse_trained_on,
)
from vlp3d_core.errors import MedVLPError

if TYPE_CHECKING:
    from vlp3d_core.model.pretrained import Pretrained
    from vlp3d_core.text.encoder import TextEncoder


def add_zero_shot(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate zero-shot`."""
    add_checkpoint(parser)
    add_cases(parser, 'volumes with "findings"')
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.findings import score_findings, truth_of
    from vlp3d_core.text.report.kinds import kinds
    from vlp3d_core.train.pairs import derangement

    pretrained, encoder = open_run(args.checkpoint)
    cases = cases_with_findings(args.manifest, args.split)
    refuse_trained_on(args.checkpoint, [case.subject for case in cases], args.split)
    said = {name for case in cases for name in case.findings}
    modality = pretrained.card["modality"]
    names = [name for name, kind in kinds().items() if name in said and modality in kind.modalities]
    if not names:
        raise MedVLPError(
            f"There are no words for any of the findings in {modality}: {', '.join(sorted(said))}.",
            f"Known are: {', '.join(name for name, kind in kinds().items() if modality in kind.modalities)}.",
        )
    images = image_vectors(pretrained, cases, args.json)
    order = derangement(len(cases), 0) if args.shuffle_images else np.arange(len(cases))
    scores = images[order] @ _contrasts(names, pretrained, encoder).T
    truth = truth_of([case.findings for case in cases], names)
    found = score_findings(names, scores.astype(float), truth, [case.subject for case in cases])
    without_words = sorted(said - set(names))
    if args.json:
        print_json({**found.to_json(), "no_words_for": without_words})
    else:
        print_findings(found, args.shuffle_images, {"Without words": without_words})
    return 0


def _contrasts(names: Sequence[str], pretrained: Pretrained, encoder: TextEncoder) -> NDArray[np.float32]:
    """(F, D): of each finding the direction from "it is not there" to "it is there"."""
    from vlp3d_core.predict.represent import mean_text_vector
    from vlp3d_core.text.report.prompts import prompts_of

    rows = []
    for name in names:
        prompts = prompts_of(name, pretrained.card["modality"])
        there, not_there = (mean_text_vector(pretrained, encoder.encode(s)) for s in (prompts.there, prompts.not_there))
        rows.append(there - not_there)
    return np.stack(rows)
