"""`vlp3d evaluate refusal`: does a model refuse what it was not made for?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.output import print_json, print_note, print_table, progress_bar
from vlp3d_core.cli.pairs import check_folders
from vlp3d_core.cli.runs import check_card, refuse_trained_on
from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing

if TYPE_CHECKING:
    from vlp3d_core.evaluate.refusal import Judged, RefusalScores
    from vlp3d_core.model.field import Anchor
    from vlp3d_core.predict import LoadedModel
    from vlp3d_core.volume.grid import Grid


def add_refusal(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate refusal`."""
    parser.add_argument("--model", required=True, metavar="NAME|FOLDER", help="a segmentation model")
    parser.add_argument("--manifest", required=True, type=Path, metavar="M.jsonl", help="volumes of the model's field")
    parser.add_argument(
        "--others",
        required=True,
        type=Path,
        metavar="FOLDER|M.jsonl",
        help="other regions and modalities: every volume of a folder, or the same split of a manifest",
    )
    parser.add_argument("--split", default="test", choices=("validation", "test"), help="default: test")
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the numbers into the model's card; with --split validation also the sizes and places of the anchors "
        "and the score from which a volume is taken",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="SCORES.json", help="write all scores")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


@dataclass(frozen=True)
class Seen:
    """What a model has seen in a volume; `anchors` is None where it refused the modality."""

    name: str
    kind: str
    anchors: tuple[Anchor, ...] | None
    grid: Grid | None


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core import load_model
    from vlp3d_core.evaluate.card import write_refusal
    from vlp3d_core.evaluate.refusal import score_refusal
    from vlp3d_core.train.manifest import read_manifest

    check_folders(args.output)
    if args.write:
        check_card(args.model)
    cases = read_manifest(args.manifest, (args.split,))
    inside = [case.image for case in cases]
    others = _others(args.others, args.split, {case.image.resolve() for case in read_manifest(args.manifest)})
    model = load_model(args.model, args.device)
    refuse_trained_on(model.bundle.folder, [case.subject for case in cases], args.split)
    seen: list[Seen] = []
    with progress_bar(args.json) as progress:
        for number, (image, kind) in enumerate([*((image, "") for image in inside), *others], 1):
            seen += _seen(model, image, kind)
            progress("looking at volumes", number / (len(inside) + len(others)))
    field = dict(model.bundle.card["field"])
    if args.write and args.split == "validation":
        field |= _tuned(field, seen)
    result = score_refusal(_judged(field, seen))
    if args.write:
        command = f"vlp3d evaluate refusal --model {model.bundle.name} --manifest {args.manifest.name} "
        command += f"--others {args.others.name} --split {args.split}"
        write_refusal(model.bundle.folder, field, args.split, result, command)
        print_note(f"The card in {model.bundle.folder} has these numbers now.")
    if args.output:
        _write(args.output, result)
    print_json(result.to_json()) if args.json else _print(result)
    return 0


def _others(source: Path, split: str, known: set[Path]) -> list[tuple[Path, str]]:
    """Volumes with their kinds: the folder that they lie in; of a folder, the one below it."""
    from vlp3d_core.train.collect import LABEL_FOLDERS, collect
    from vlp3d_core.train.manifest import read_manifest

    def folder_of(image: Path) -> str:
        names = (parent.name for parent in image.parents)
        return next(name for name in names if name.lower() not in LABEL_FOLDERS.values())

    if source.is_dir():
        images = [source / case.image for case in collect(source).cases]
        pairs = [(image, image.relative_to(source).parts[0]) for image in images if image.parent != source]
        pairs += [(image, source.name) for image in images if image.parent == source]
    else:
        pairs = [(case.image, folder_of(case.image)) for case in read_manifest(source, (split,))]
    return [(image, kind) for image, kind in pairs if image.resolve() not in known]


def _seen(model: LoadedModel, image: Path, kind: str) -> list[Seen]:
    """One volume, read as a user's would be: its modality is what the file itself says. A file that cannot be read,
    such as a label map, is none."""
    from vlp3d_core.volume import read_volume

    try:
        volume = read_volume(image)
    except MedVLPError as error:
        print_note(f"{image} is left out: {error.cause}")
        return []
    kind = f"{kind} {volume.modality or '(modality not said)'}" if kind else ""
    try:
        model.check_modality(volume)
    except MedVLPError:
        return [Seen(str(image), kind, None, None)]
    encoded = model.encode(volume)
    return [Seen(str(image), kind, encoded.anchors, encoded.grid)]


def _tuned(field: dict[str, Any], seen: Sequence[Seen]) -> dict[str, Any]:
    """Layout, extent and least score by these volumes; others that are refused for their modality are no measure."""
    from vlp3d_core.evaluate.refusal import best_limit
    from vlp3d_core.model.field import extent_of, layout_of

    inside = [one for one in seen if not one.kind and one.anchors]
    layout = layout_of([one.anchors for one in inside if one.anchors])
    if layout is None:
        cause = "Too few of the volumes show anchors to learn how these lie."
        raise MedVLPError(cause, "Give three or more volumes of the model's field.")
    field = field | {"layout": layout, "extent": extent_of([one.grid for one in inside if one.grid is not None])}
    scores = [(one.kind, _score(field, one)) for one in seen if one.anchors is not None]
    limit = best_limit([s for kind, s in scores if not kind], [s for kind, s in scores if kind])
    return field | {"anchor_score": round(limit, 2)}


def _score(field: dict[str, Any], one: Seen) -> float:
    from vlp3d_core.model.field import field_score

    return field_score(field, one.anchors, one.grid) if one.anchors is not None and one.grid is not None else 0.0


def _judged(field: dict[str, Any], seen: Sequence[Seen]) -> list[Judged]:
    from vlp3d_core.evaluate.refusal import Judged
    from vlp3d_core.model.field import shows_field

    out = []
    for one in seen:
        score = _score(field, one)
        reason = "modality" if one.anchors is None else "" if shows_field(field, score) else "content"
        out.append(Judged(one.name, one.kind, round(score, 4), bool(reason), reason))
    return out


def _write(path: Path, result: RefusalScores) -> None:
    import json

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result.to_json(), indent=1), encoding="utf-8")


def _print(result: RefusalScores) -> None:
    print(f"{result.inside} volumes of the field, {result.kept} of them taken. [95 % interval, bootstrap by volume]\n")
    header = ("OTHERS", "VOLUMES", "AUROC", "REFUSED", "FOR THEIR MODALITY")
    rows = ((r.kind, r.volumes, _auroc(r.auroc, r.auroc95), r.refused, r.by_modality) for r in result.rows)
    print_table(header, rows)


def _auroc(value: float, bounds: tuple[float, float] | None) -> str:
    return f"{value:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")
