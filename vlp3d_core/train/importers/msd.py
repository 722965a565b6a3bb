"""Medical Segmentation Decathlon: one task's folder, or a folder that holds several tasks.

Layout, as its dataset.json has it: `modality` {"0": "FLAIR", ...}, `labels` {"0": "background", ...}, `training`
[{"image", "label"}, ...], `test` ["./imagesTs/...", ...]. The labels of imagesTs were never published. The engine reads
3D volumes: of tasks 01 (FLAIR, T1w, t1gd, T2w) and 05 (T2, ADC) one channel is written out.

Names of labels: the enhancing and the non-enhancing tumour of task 01 are both "brain_tumor", the peripheral and the
transition zone of task 05 both "prostate": there are no concepts for the parts. In tasks 03, 07 and 08 an organ's value
leaves its tumour out. Whether tasks 03, 08 and 09 share patients is not known from the download.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from vlp3d_core.errors import UsageError
from vlp3d_core.files import replacing
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.convert import converted
from vlp3d_core.train.importers.request import Request, inside
from vlp3d_core.train.importers.splits import labelled_splits
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.check import damaged

CONCEPTS = {
    "edema": "brain_edema",
    "non-enhancing tumor": "brain_tumor",
    "enhancing tumour": "brain_tumor",
    "left atrium": "heart_atrium_left",
    "liver": "liver",
    "anterior": "hippocampus_anterior",
    "posterior": "hippocampus_posterior",
    "pz": "prostate",
    "tz": "prostate",
    "pancreas": "pancreas",
    "vessel": "liver_vessels",
    "spleen": "spleen",
    "colon cancer primaries": "colon_tumor",
}
TUMORS = {"pancreas": "pancreas_tumor", "hepatic": "liver_tumor", "liver": "liver_tumor", "lung": "lung_tumor"}
"""What "cancer" and "tumour" are, by a word in the names of the folder, the task and its other labels."""

MR = ("mri", "mr", "flair", "t1w", "t1gd", "t2w", "t1", "t2", "adc")


@dataclass(frozen=True)
class Task:
    """What dataset.json says.

    Attributes:
        folder: of the task.
        channels: names of the channels, in order.
        labels: value → concept, for those that have one.
        unnamed: labels without one.
        rows: image and label (None for imagesTs), relative to the folder.
    """

    folder: Path
    channels: tuple[str, ...]
    labels: dict[int, str]
    unnamed: tuple[str, ...]
    rows: tuple[tuple[str, str | None], ...]


def read(request: Request) -> Collected:
    """Labelled volumes are split by seed, task by task; those of imagesTs are "test", without labels."""
    lists = [
        p for p in (request.folder / "dataset.json", *sorted(request.folder.glob("*/dataset.json"))) if p.is_file()
    ]
    if not lists:
        raise request.misfit("there is no dataset.json in it, nor in a folder of it")
    tasks = [_task(path, request) for path in lists]
    total, done = sum(len(task.rows) for task in tasks), 0
    cases, notes = [], []
    for task in tasks:
        channel = _channel(task, request.channel)
        modality = _modality(task.channels[channel])
        of_task = []
        for name, label in task.rows:
            image, labels = inside(task.folder, name), inside(task.folder, label) if label else None
            subject = image.name.removesuffix(".gz").removesuffix(".nii")
            if len(task.channels) > 1:
                target = request.out / task.folder.name / f"{subject}-{task.channels[channel]}.nii.gz"
                image = converted(image, target, partial(_write_channel, image, channel))
            named = task.labels if labels else {}
            contoured = tuple(dict.fromkeys(named.values())) if labels else None
            of_task.append(Case(image, subject, "train", labels, named, contoured, modality))
            done += 1
            request.step(done, total)
        cases += labelled_splits(of_task, request.seed)
        notes += _notes(task, channel)
    return Collected(tuple(cases), tuple(notes))


def _task(path: Path, request: Request) -> Task:
    try:
        about = json.loads(path.read_text(encoding="utf-8-sig"))
        channels = tuple(str(about["modality"][key]) for key in sorted(about["modality"], key=int))
        values = {int(key): str(name) for key, name in about["labels"].items() if int(key) > 0}
        rows = [(str(row["image"]), str(row["label"])) for row in about["training"]]
        test = [(str(row["image"] if isinstance(row, dict) else row), None) for row in about.get("test", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise request.misfit(f"{path} does not list modality, labels and training as the Decathlon does") from error
    if not channels or not rows:
        raise request.misfit(f"{path} lists no volumes")
    words = " ".join((path.parent.name, str(about.get("name", "")), *values.values())).lower()
    labels = {value: concept for value, name in values.items() if (concept := _concept(name, words))}
    unnamed = tuple(f"{value} ({name})" for value, name in values.items() if value not in labels)
    return Task(path.parent, channels, labels, unnamed, (*rows, *test))


def _concept(name: str, words: str) -> str:
    """The concept of a label's name; "" for none."""
    name = name.strip().lower()
    if name in ("cancer", "tumour", "tumor"):
        return next((concept for organ, concept in TUMORS.items() if organ in words), "")
    return CONCEPTS.get(name, "")


def _modality(channel: str) -> str:
    name = channel.strip().lower()
    return "CT" if name == "ct" else "MR" if name in MR else ""


def _channel(task: Task, wanted: str) -> int:
    """Index of the channel to take: the only one, the one of that name, or the first."""
    if len(task.channels) == 1 or not wanted:
        return 0
    names = [name.lower() for name in task.channels]
    if wanted.lower() not in names:
        raise UsageError(
            f"{task.folder.name} has no channel {wanted!r}.", f"Use one of {', '.join(task.channels)} for --channel."
        )
    return names.index(wanted.lower())


def _write_channel(source: Path, channel: int, target: Path) -> None:
    try:
        image: Any = nib.load(source)
        if len(image.shape) != 4 or image.shape[3] <= channel:
            raise ValueError(f"it has the shape {image.shape}, not one with four axes and {channel + 1} channels")
        part = image.slicer[..., channel]
        volume = nib.Nifti1Image(np.asanyarray(part.dataobj), part.affine, part.header)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError) as error:
        raise damaged(source, "NIfTI", error) from error
    with replacing(target) as temporary:
        nib.save(volume, temporary)


def _notes(task: Task, channel: int) -> list[str]:
    notes = []
    if len(task.channels) > 1:
        taken, others = task.channels[channel], [name for i, name in enumerate(task.channels) if i != channel]
        notes.append(f"{task.folder.name}: the channel {taken} was written out; there is also {', '.join(others)}.")
    if task.unnamed:
        notes.append(f"{task.folder.name}: there is no concept for the labels {', '.join(task.unnamed)}.")
    hidden = sum(label is None for _, label in task.rows)
    if hidden:
        notes.append(f"{task.folder.name}: {hidden} volumes of imagesTs have no labels; they are in the split test.")
    return notes
