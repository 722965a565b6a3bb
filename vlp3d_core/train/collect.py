"""A manifest from a folder of volumes: which files are images, which are their label maps, whose they are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.reports_csv import Reports

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
LABEL_WORDS = ("labels", "label", "seg", "segmentation", "organs", "mask", "lbl", "targets", "target", "lesions")
"""Of several label maps of one image, the one with the earlier word counts."""

IMAGE_WORDS = ("ct", "mr", "mri", "image", "img", "volume", "t1", "t2", "flair", "0000")
LABEL_FOLDERS = {"labelstr": "imagestr", "labels": "images", "labelsts": "imagests", "masks": "images"}
"""Folder of label maps → folder of their images, lower case, as MSD, nnU-Net and others name them."""

VALIDATION, TEST = 0.1, 0.2


@dataclass(frozen=True)
class Collected:
    """What a folder gave.

    Attributes:
        cases: sorted by path; image and label are relative to the folder.
        notes: what was left out or could not be told, in words.
    """

    cases: tuple[Case, ...]
    notes: tuple[str, ...]


def collect(folder: Path, reports: Reports | None = None, seed: int = 0) -> Collected:
    """Every volume below a folder: NIfTI, NRRD and MetaImage files, and folders of DICOM files.

    A file is a label map when its name ends in "_labels", "_seg" and the like, or when it lies in a folder of label
    maps (labelsTr beside imagesTr). Values get their concepts from a `.json` of the same name as this project writes
    it, or from a `labels.json` or MSD's `dataset.json` above it. Subjects are the patients' folders, else the names
    without words for modality. Splits are by subject and depend on its name and the seed alone.

    Raises:
        MedVLPError: no folder, or no volume in it.
    """
    if not folder.is_dir():
        raise MedVLPError(f"{folder} is not a folder.", "Give the folder that holds the volumes.")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.lower().endswith(ENDINGS))
    labels = [p for p in files if is_label(p)]
    images = [p for p in files if p not in set(labels)] + _dicom_folders(folder)
    if not images:
        raise MedVLPError(f"{folder} holds no volume.", f"It needs files ending in {', '.join(ENDINGS)}, or DICOM.")
    of_image: dict[tuple[str, str], Path] = {}
    notes, cases = [], []
    for other in sorted(labels, key=_rank):
        if of_image.setdefault(key(other), other) is not other:
            notes.append(f"{other.relative_to(folder)} is a second label map of its image and is left out.")
    for image in images:
        label = of_image.get(key(image))
        values = label_names(label) if label is not None else {}
        if label is not None and not values:
            notes.append(
                f"{label.relative_to(folder)} does not say what its values are; write a labels.json beside it."
            )
        subject = subject_of(image, folder)
        report = reports.take(image, subject) if reports else ""
        cases.append(
            Case(
                image.relative_to(folder),
                subject,
                "train",
                label.relative_to(folder) if label is not None and values else None,
                values,
                modality=modality_in(image.name),
                report=report,
            )
        )
    lonely = set(of_image) - {key(image) for image in images}
    notes += [f"{of_image[k].relative_to(folder)} is a label map without an image." for k in sorted(lonely)]
    if reports:
        notes += [f"The report of {name!r} has no volume." for name in reports.left()]
    return Collected(tuple(with_splits(cases, seed)), tuple(notes))


def is_label(path: Path) -> bool:
    """Whether a file is a label map by its name or its folder."""
    return path.parent.name.lower() in LABEL_FOLDERS or _words(path)[-1] in LABEL_WORDS or ".seg." in path.name.lower()


def _rank(label: Path) -> int:
    word = _words(label)[-1]
    return LABEL_WORDS.index(word) if word in LABEL_WORDS else 0


def key(path: Path) -> tuple[str, str]:
    """The same for an image and its label map: their folder, and their name without words for either."""
    parent = path.parent
    folder = parent.with_name(LABEL_FOLDERS.get(parent.name.lower(), parent.name.lower()))
    return str(folder).lower(), stem(path).lower()


def stem(path: Path) -> str:
    """A file's name without ending and without its last words for modality or label."""
    words = "|".join((*LABEL_WORDS, *IMAGE_WORDS))
    return re.sub(rf"(?:[_-](?:{words}))+$", "", _bare(path), flags=re.IGNORECASE)


def subject_of(image: Path, folder: Path) -> str:
    """The patient: the first folder below `folder`, where that is not one of images; else the file's stem.

    CT-RATE's names (train_12_a_1) hold the patient in their first two words.
    """
    parts = image.relative_to(folder).parts
    if len(parts) > 1 and parts[0].lower() not in LABEL_FOLDERS.values():
        return parts[0]
    name = stem(image)
    rate = re.fullmatch(r"((?:train|valid)_\d+)_[a-z](?:_\d+)?", name)
    return rate.group(1) if rate else name


def modality_in(name: str) -> str:
    """What a file's name says of its modality; "" for nothing."""
    words = set(re.split(r"[_\-. ]+", name.lower()))
    if words & {"ct"}:
        return "CT"
    return "MR" if words & {"mr", "mri", "t1", "t2", "flair"} else "EM" if words & {"em", "fib", "fibsem"} else ""


def label_names(label: Path) -> dict[int, str]:
    """Label value → concept id, from a file that says so; {} where none does, and without what is no concept."""
    own = label.with_name(_bare(label) + ".json")
    for path in (own, *(parent / name for parent in label.parents[:2] for name in ("labels.json", "dataset.json"))):
        try:
            found = _named(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            continue
        if found:
            return found
    return {}


def _named(content: object) -> dict[int, str]:
    if not isinstance(content, dict):
        return {}
    rows = content.get("labels", content)
    if isinstance(rows, list):  # as `vlp3d segment` writes it
        rows = {row["value"]: row["concept"] for row in rows}
    known = concepts()
    pairs = [(k, v) if str(k).isdecimal() else (v, k) for k, v in rows.items() if k != "0" and str(v) != "0"]
    return {int(value): str(name) for value, name in pairs if str(value).isdecimal() and str(name) in known}


def with_splits(cases: Iterable[Case], seed: int) -> list[Case]:
    """A tenth of the subjects for validation, a fifth for test; one of each at least where there are three.

    Where there are eight, two are for validation: a text can be mistaken for another's only where there are two.
    """
    cases = list(cases)
    subjects = shuffled({c.subject for c in cases}, seed)
    enough = len(subjects) >= 3
    validation = max(round(VALIDATION * len(subjects)), int(enough) + int(len(subjects) >= 8))
    test = max(round(TEST * len(subjects)), int(enough))
    split = dict.fromkeys(subjects, "train")
    split |= dict.fromkeys(subjects[:validation], "validation")
    split |= dict.fromkeys(subjects[validation : validation + test], "test")
    return [replace(case, split=split[case.subject]) for case in cases]


def shuffled(subjects: Iterable[str], seed: int) -> list[str]:
    """Subjects in an order that depends on their names and the seed alone."""
    return sorted(subjects, key=lambda s: hashlib.sha256(f"{seed} {s}".encode()).digest())


def _bare(path: Path) -> str:
    """The name without its ending."""
    endings = (*(f".seg{e}" for e in ENDINGS), *ENDINGS)
    ending = next((e for e in endings if path.name.lower().endswith(e)), "")
    return path.name[: len(path.name) - len(ending)]


def _words(path: Path) -> list[str]:
    return re.split(r"[_-]", _bare(path).lower())


def _dicom_folders(folder: Path) -> list[Path]:
    """Folders that hold DICOM files themselves."""
    found: Sequence[Path] = sorted({p.parent for p in folder.rglob("*") if p.suffix.lower() in (".dcm", ".ima")})
    return list(found)
