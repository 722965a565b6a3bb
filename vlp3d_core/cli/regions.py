"""`vlp3d evaluate regions`: does a phrase find its region in the map of similarities?

Phrases are sentences as reports say them of an organ ("The liver is unremarkable."), each organ in all its wordings;
and sentences of the volume's own report that place a finding in a structure ("nodule in the left upper lobe"). What all
organs' phrases have in common is taken off each: a place that is alike to all of them tells nothing.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.cli.output import print_json, print_table, progress_bar
from vlp3d_core.cli.runs import add_cases, add_checkpoint, open_run, refuse_trained_on
from vlp3d_core.errors import MedVLPError

if TYPE_CHECKING:
    from vlp3d_core.evaluate.regions import Pointing, PointingScore
    from vlp3d_core.model.pretrained import Pretrained
    from vlp3d_core.predict.represent import Piece
    from vlp3d_core.text.encoder import TextEncoder
    from vlp3d_core.train.manifest import Case
    from vlp3d_core.volume import Volume

FINDING = "finding in "


def add_regions(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate regions`."""
    add_checkpoint(parser)
    add_cases(parser, "volumes with label maps")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.regions import summarise_pointing
    from vlp3d_core.train.manifest import read_manifest
    from vlp3d_core.train.pairs import derangement

    pretrained, encoder = open_run(args.checkpoint)
    cases = [c for c in read_manifest(args.manifest) if args.split in ("all", c.split) and c.label is not None]
    if len(cases) < 1 + args.shuffle_images:
        raise MedVLPError(
            f"The split {args.split!r} of {args.manifest} has {len(cases)} volumes with label maps.", "Add some."
        )
    refuse_trained_on(args.checkpoint, [case.subject for case in cases], args.split)
    organs = _organ_vectors(pretrained, encoder)
    order = derangement(len(cases), 0) if args.shuffle_images else np.arange(len(cases))
    rows: list[Pointing] = []
    with progress_bar(args.json) as progress:
        for number, case in enumerate(cases):
            rows += _pointings(pretrained, encoder, case, cases[order[number]], organs)
            progress("reading volumes", (number + 1) / len(cases))
    scores, mean = summarise_pointing(rows)
    if args.json:
        print_json({"volumes": len(cases), "mean": mean.to_json(), "phrases": [s.to_json() for s in scores]})
    else:
        print(f"{len(cases)} volumes{', images shuffled' if args.shuffle_images else ''}. [95 % interval by subject]")
        _print([*scores, mean])
    return 0


def _organ_vectors(pretrained: Pretrained, encoder: TextEncoder) -> dict[str, NDArray[np.float32]]:
    """Organ → (D,), the mean over what reports say of it."""
    from vlp3d_core.predict.represent import mean_text_vector
    from vlp3d_core.text.report.kinds import words
    from vlp3d_core.text.report.prompts import organ_prompts

    return {organ: mean_text_vector(pretrained, encoder.encode(organ_prompts(organ))) for organ in words()["organs"]}


def _pointings(
    pretrained: Pretrained,
    encoder: TextEncoder,
    case: Case,
    shown: Case,
    organs: dict[str, NDArray[np.float32]],
) -> list[Pointing]:
    """Every phrase of a case, looked for in the image of `shown`; the regions are the case's own."""
    from vlp3d_core.evaluate.regions import point
    from vlp3d_core.predict.represent import mean_text_vector, piece_of
    from vlp3d_core.predict.similarity import similarity_maps
    from vlp3d_core.text.report import parse_report
    from vlp3d_core.text.report.vectors import report_sentences
    from vlp3d_core.volume import read_volume
    from vlp3d_core.volume.foreground import AIR

    volume = read_volume(case.image, modality=case.modality or None)
    piece = piece_of(pretrained, volume)
    labels = _labels_in(case, volume, piece, pretrained.field)
    image = piece.image
    if shown is not case:
        image = piece_of(pretrained, read_volume(shown.image, modality=shown.modality or None)).image
    phrases = [(organ, organ, vector) for organ, vector in organs.items() if organ in case.labels.values()]
    for sentence in report_sentences(case.report):
        found = parse_report(sentence).findings
        if len(found) == 1 and found[0].site in case.labels.values():
            vector = mean_text_vector(pretrained, encoder.encode([sentence]))
            phrases.append((f"{FINDING}{'vertebra' if 'vertebra' in found[0].site else 'lung'}", found[0].site, vector))
    if len(phrases) < 2:
        return []
    common = np.mean(list(organs.values()), axis=0)
    maps = similarity_maps(pretrained.model, image, np.stack([v for *_, v in phrases]) - common).numpy()
    rows = []
    for number, (name, structure, _) in enumerate(phrases):
        values = [value for value, concept in case.labels.items() if concept == structure]
        region, other = np.isin(labels, values), maps[(number + 1) % len(phrases)]
        rows.append(point(case.subject, name, maps[number], other, region, piece.image > AIR))
    return [row for row in rows if row is not None]


def _labels_in(case: Case, volume: Volume, piece: Piece, field: tuple[int, int, int]) -> NDArray[np.integer[Any]]:
    """The label map where the network looks."""
    from vlp3d_core.volume.cut import cut
    from vlp3d_core.volume.grid import Grid
    from vlp3d_core.volume.read_labels import read_labels_on
    from vlp3d_core.volume.resample_labels import resample_labels

    assert case.label is not None
    labels = read_labels_on(case.label, Grid.of(volume), case.image)
    return cut(resample_labels(labels, Grid.of(volume), piece.grid), piece.centre, field, 0)


def _print(scores: list[PointingScore]) -> None:
    def cell(score: PointingScore, measure: str) -> str:
        bounds = score.intervals[measure]
        return f"{score.means[measure]:.2f}" + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")

    head = ["phrase", "n", "hit", "(chance)", "(other phrase)", "hit box", "(chance)", "above", "(other phrase)"]
    rows = [
        [
            score.phrase,
            str(score.n),
            cell(score, "hit"),
            f"({score.means['chance']:.2f})",
            f"({score.means['other_hit']:.2f})",
            cell(score, "hit_box"),
            f"({score.means['chance_box']:.2f})",
            cell(score, "above"),
            f"({score.means['other_above']:.2f})",
        ]
        for score in scores
    ]
    print_table(head, rows)
