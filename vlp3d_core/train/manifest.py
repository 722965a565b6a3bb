"""The manifest: one JSON object a line, one line a volume, the same for every training method.

`image` and `label` are paths (relative ones from the manifest's folder), `report` is a text, `labels` names the values
of the label map by concept, `contoured` the concepts that somebody looked for in this patient (left out: those that
have voxels). `made_from` says that `image` is no scan but a map that images are made from. A concept that is contoured
but has no voxel is absent; one that is not contoured is unknown, and is left out of loss and score. `findings` says of
the whole volume what is there and what is not; what it does not name is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing

SPLITS = ("train", "validation", "test")
MODALITIES = ("CT", "MR", "EM", "PT", "")
TISSUES = "tissues"
MOST_WEIGHT = 1000


@dataclass(frozen=True)
class Case:
    """One line of a manifest.

    Attributes:
        image: the volume.
        subject: the patient; no subject may be in two splits.
        split: "train", "validation" or "test".
        label: its label map, or None.
        labels: label value → concept id.
        contoured: concepts whose presence or absence is known; None means those that have voxels in the label map.
        modality: "CT", "MR", "EM", "PT" or "".
        report: what somebody wrote about the volume; "" for none.
        caption: maker, version and crop (the part that is described) of a report that a program wrote, the prompt
            where there was one, and "sha256" of the text as made; {} for a report that a person wrote.
        findings: name → whether the volume shows it; what is not known is not named.
        made_from: "" where `image` is a scan; "tissues" where it is a map of tissues (whole numbers up to 255, 0 is
            air) that images are made from while a segmentation is trained, see `train.synthesis`.
        weight: patches of a segmentation come from this volume so many times as often as from one with 1: a scan among
            many made images, say.
    """

    image: Path
    subject: str
    split: str
    label: Path | None = None
    labels: dict[int, str] = field(default_factory=dict)
    contoured: tuple[str, ...] | None = None
    modality: str = ""
    report: str = ""
    caption: dict[str, str] = field(default_factory=dict)
    findings: Mapping[str, bool] = field(default_factory=dict)
    made_from: str = ""
    weight: int = 1


def read_manifest(
    path: str | Path, splits: Collection[str] = SPLITS, check_files: bool = True, tissues: bool = False
) -> list[Case]:
    """The cases of the named splits.

    Args:
        check_files: whether volumes and label maps must be there.
        tissues: whether the caller knows what to do with maps of tissues; they are no scans.

    Raises:
        MedVLPError: the file or a line of it cannot be used (the line is named), a file of the named splits is
            missing or is a map of tissues that the caller cannot take, a volume is listed twice, or a subject is in two
            splits.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MedVLPError(f"Cannot read the manifest {path}: {error}.", "Give a JSON-lines text file.") from error
    # Not splitlines(), which also splits at characters that JSON allows within a string.
    lines = {number: line for number, line in enumerate(text.split("\n"), 1) if line.strip()}
    cases = {number: _case(line, path.parent, f"Line {number} of {path}") for number, line in lines.items()}
    if not cases:
        raise MedVLPError(f"The manifest {path} has no cases.", "It needs one JSON object a line.")
    _check_subjects(cases, path)
    chosen = {number: case for number, case in cases.items() if case.split in splits}
    if not tissues:
        _check_scans(chosen, path)
    if check_files:
        _check_files(chosen, path)
    return list(chosen.values())


def write_manifest(cases: Iterable[Case], path: str | Path) -> None:
    """Write cases, with paths as they are."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for case in cases:
            row = {key: value for key, value in asdict(case).items() if value not in (None, {}, "")}
            if case.weight == 1:
                del row["weight"]
            row["image"] = str(case.image)
            if case.label is not None:
                row["label"] = str(case.label)
            # ASCII, so that file names which are not valid text survive.
            file.write(json.dumps(row) + "\n")


def _case(line: str, folder: Path, where: str) -> Case:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TypeError("it is not a JSON object")
        contoured = row.get("contoured")
        case = Case(
            image=folder / _text(row, "image"),
            subject=str(row["subject"]) if isinstance(row.get("subject"), int) else _text(row, "subject"),
            split=_text(row, "split"),
            label=folder / _text(row, "label") if row.get("label") is not None else None,
            labels=_labels(row.get("labels", {})),
            contoured=None if contoured is None else _names(contoured),
            modality=row.get("modality", ""),
            report=_report(row.get("report")),
            caption=_caption(row.get("caption", {})),
            findings=_findings(row.get("findings", {})),
            made_from=row.get("made_from", ""),
            weight=_weight(row.get("weight", 1)),
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise MedVLPError(
            f"{where} cannot be used: {error}.", "A line is a JSON object with image, subject and split."
        ) from error
    if case.split not in SPLITS:
        raise MedVLPError(f"{where} has the split {case.split!r}.", f"Use one of {', '.join(SPLITS)}.")
    if case.modality not in MODALITIES:
        raise MedVLPError(f"{where} has the modality {case.modality!r}.", f"Use one of {', '.join(MODALITIES[:-1])}.")
    if case.made_from not in ("", TISSUES):
        raise MedVLPError(f"{where} is made from {case.made_from!r}.", f"Use {TISSUES}, or leave made_from out.")
    if case.made_from and case.label is None:
        raise MedVLPError(f"{where} has tissues and no label map.", 'Give it a "label": what is to be learnt in them.')
    return case


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise TypeError(f"{key!r} is missing or not a text")
    return value


def _report(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError("'report' is not a text")
    return (value or "").strip()


def _caption(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise TypeError("'caption' does not give maker, version and crop as texts")
    return dict(value)


def _findings(value: Any) -> dict[str, bool]:
    if not isinstance(value, dict) or not all(name and isinstance(there, bool) for name, there in value.items()):
        raise TypeError("'findings' does not give true or false for each name")
    return dict(value)


def _weight(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_WEIGHT:
        raise TypeError(f"'weight' is not a whole number from 1 to {MOST_WEIGHT}")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("'contoured' is not a list of concept names")
    return tuple(value)


def _labels(value: Any) -> dict[int, str]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise TypeError("'labels' does not give a concept name for each label value")
    labels = {int(number): name for number, name in value.items()}
    if min(labels, default=1) < 1:
        raise ValueError("'labels' names a value below 1; 0 is the background")
    return labels


def _check_scans(cases: dict[int, Case], path: Path) -> None:
    for number, case in cases.items():
        if case.made_from:
            raise MedVLPError(
                f"Line {number} of {path} names a map of {case.made_from} and no scan: {case.image}.",
                "Only a segmentation whose recipe has the setting synthesis is trained on it; leave the line out here.",
            )


def _check_files(cases: dict[int, Case], path: Path) -> None:
    """Every file is there, and no volume is listed twice."""
    seen: dict[Path, int] = {}
    for number, case in cases.items():
        for file in (case.image, case.label):
            if file is not None and not _exists(file):
                raise MedVLPError(
                    f"Line {number} of {path} names {file}, which does not exist.",
                    "Correct the path or remove the line.",
                )
        first = seen.setdefault(case.image.resolve(), number)
        if first != number:
            raise MedVLPError(
                f"Line {number} of {path} names the same volume as line {first}: {case.image}.", "Remove one of them."
            )


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # a name that no file could have
        return False


def _check_subjects(cases: dict[int, Case], path: Path) -> None:
    seen: dict[str, int] = {}
    for number, case in cases.items():
        first = seen.setdefault(case.subject, number)
        if cases[first].split != case.split:
            raise MedVLPError(
                f"Line {number} of {path}: subject {case.subject} is in the split {case.split}, "
                f"but in line {first} in {cases[first].split}.",
                "All volumes of a patient belong into one split.",
            )
