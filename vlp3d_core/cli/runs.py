"""What the commands share that evaluate a run on volumes of a manifest."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.cli.output import print_note, print_table, progress_bar
from vlp3d_core.errors import MedVLPError, UsageError

if TYPE_CHECKING:
    from vlp3d_core.evaluate.findings import FindingScores
    from vlp3d_core.model.pretrained import Pretrained
    from vlp3d_core.predict import LoadedModel
    from vlp3d_core.text.encoder import TextEncoder
    from vlp3d_core.train.manifest import Case

SPLITS = ("train", "validation", "test", "all")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """The pretraining run that is evaluated."""
    parser.add_argument("--checkpoint", required=True, type=Path, metavar="RUN", help="--out of a `vlp3d pretrain`")


def add_cases(parser: argparse.ArgumentParser, what: str) -> None:
    """The volumes that a run is evaluated on, and how the result is told."""
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help=what)
    parser.add_argument("--split", default="test", choices=SPLITS, help="default: test")
    parser.add_argument(
        "--shuffle-images", action="store_true", help="a control: every study gets another study's volume"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")


def refuse_trained_on(model: Path, subjects: Iterable[str], split: str) -> None:
    """What a model was trained on says nothing about how good it is; whoever wants that asks for the split "train".

    Raises:
        MedVLPError: some of the subjects were.
    """
    from vlp3d_core.model.trained_on import trained_on

    if split == "train":
        return
    seen = trained_on(model, subjects)
    if seen is None:
        print_note(f"{model} does not say which subjects it was trained on: nobody checked that these are others.")
    elif seen:
        names = ", ".join(seen[:3]) + (f" and {len(seen) - 3} more" if len(seen) > 3 else "")
        raise MedVLPError(
            f"The model in {model} was trained on {len(seen)} of the subjects to evaluate: {names}.",
            "Choose other subjects, or --split train to see how well it knows those.",
        )


def model_and_cases(args: argparse.Namespace, least: int = 1) -> tuple[LoadedModel, list[Case]]:
    """The `model` on its `device`, and the volumes with label maps in the `split` of a `manifest`.

    Raises:
        MedVLPError: fewer volumes than `least`, or a model that was trained on some of them.
    """
    from vlp3d_core import load_model
    from vlp3d_core.train.manifest import read_manifest

    cases = [case for case in read_manifest(args.manifest, (args.split,)) if case.label is not None]
    if len(cases) < least:
        raise MedVLPError(
            f"The split {args.split!r} of {args.manifest} has {len(cases) or 'no'} volumes with label maps.",
            f"Choose another split; {least} or more are needed.",
        )
    model = load_model(args.model, args.device)
    refuse_trained_on(model.bundle.folder, [case.subject for case in cases], args.split)
    return model, cases


def check_card(model: str | None) -> None:
    """A card that cannot be updated should be known before the hours of work.

    Raises:
        UsageError: no model, or one whose folder cannot be written.
    """
    from vlp3d_core.model.registry import find_bundle

    if model is None:
        raise UsageError("--update-card needs a model.", "Name it with --model.")
    folder = find_bundle(model).folder
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The card in {folder} cannot be changed.", "Copy the model to a folder of your own.")


def open_run(folder: Path) -> tuple[Pretrained, TextEncoder]:
    """A pretraining run with the text encoder it was trained with.

    Raises:
        MedVLPError: no such run, or another text encoder.
    """
    from vlp3d_core.model.pretrained import load_pretrained
    from vlp3d_core.text.encoder import TextEncoder

    pretrained, encoder = load_pretrained(folder), TextEncoder.load()
    if encoder.sha256 != pretrained.card["text_encoder"]["sha256"]:
        raise MedVLPError("The run was trained with another text encoder than the embedded one.", "Train it again.")
    return pretrained, encoder


def image_vectors(pretrained: Pretrained, cases: Sequence[Case], as_json: bool) -> NDArray[np.float32]:
    """(N, D), one row a case."""
    from vlp3d_core.predict.represent import image_vector
    from vlp3d_core.volume import read_volume

    rows = []
    with progress_bar(as_json) as progress:
        for number, case in enumerate(cases, 1):
            rows.append(image_vector(pretrained, read_volume(case.image, modality=case.modality or None)))
            progress("reading volumes", number / len(cases))
    return np.stack(rows)


def cases_with_findings(manifest: Path, split: str) -> list[Case]:
    """The volumes of a split of which something is known.

    Raises:
        MedVLPError: there are none.
    """
    from vlp3d_core.train.manifest import read_manifest

    cases = [case for case in read_manifest(manifest) if split in ("all", case.split) and case.findings]
    if not cases:
        raise MedVLPError(
            f"No volume of the split {split!r} in {manifest} has findings.",
            'Add "findings": {"lung_nodule": true, …} to its lines.',
        )
    return cases


def print_findings(found: FindingScores, shuffled: bool, missing: Mapping[str, Sequence[str]]) -> None:
    """A table for people.

    Args:
        missing: why → findings of the manifest that were not scored.
    """
    from vlp3d_core.evaluate.findings import findings_table

    print(f"{found.volumes} volumes{', images shuffled' if shuffled else ''}. [95 % interval, bootstrap by subject]")
    head, *rows = findings_table(found)
    print_table(head, rows)
    for why, names in {"Without both kinds of volumes": found.left_out, **missing}.items():
        if names:
            print(f"{why}: {', '.join(names)}.")
