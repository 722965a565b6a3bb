"""Cases with a reference, and where their predictions come from: a folder of files, or a model that is run now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.labelmap import ENDINGS, LabelMap, read_label_map, stem_of
from vlp3d_core.evaluate.segmentation import Pair
from vlp3d_core.volume.segmentation import Segmentation


class Entry(Protocol):
    """What this module reads of a line of a training manifest (`vlp3d_core.train.manifest.Case`)."""

    @property
    def subject(self) -> str: ...
    @property
    def image(self) -> Path: ...
    @property
    def label(self) -> Path | None: ...
    @property
    def labels(self) -> Mapping[int, str]: ...
    @property
    def contoured(self) -> tuple[str, ...] | None: ...
    @property
    def modality(self) -> str: ...


@dataclass(frozen=True)
class Case:
    """One line of a manifest, as an evaluation needs it.

    Attributes:
        subject: the patient.
        label: file of the reference.
        values: its label values → concept ids; values that are not listed are ignored.
        contoured: concepts that were looked for when it was drawn; None = those that occur in it.
        image: file or folder of the volume; a model needs it.
        modality: of the image, "" = as the file says.
    """

    subject: str
    label: Path
    values: Mapping[int, str]
    contoured: tuple[str, ...] | None = None
    image: Path | None = None
    modality: str = ""

    @property
    def stem(self) -> str:
        return stem_of(self.image or self.label)

    def pair(self, prediction: LabelMap, name: str) -> Pair:
        """This case's reference, read now, with its prediction."""
        return Pair(self.subject, prediction, read_label_map(self.label, self.values), self.contoured, name)


def cases_of(entries: Iterable[Entry]) -> tuple[list[Case], tuple[str, ...]]:
    """The lines of a manifest that have a reference, and a note about those that have none."""
    entries = list(entries)
    cases = [Case(e.subject, e.label, e.labels, e.contoured, e.image, e.modality) for e in entries if e.label]
    without = [entry.subject for entry in entries if not entry.label]
    return cases, (f"Left out, because they have no reference: {_some(without)}.",) if without else ()


def named(cases: Sequence[Case]) -> dict[str, Case]:
    """Cases by name: the subject where it has one case only, the image's file name without ending otherwise.

    Raises:
        MedVLPError: no cases, or two that cannot be told apart.
    """
    if not cases:
        raise MedVLPError("There are no cases to evaluate.", "Check the manifest and the split.")
    of_subject = Counter(case.subject for case in cases)
    names = [case.subject if of_subject[case.subject] == 1 else case.stem for case in cases]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise MedVLPError(f"{_some(twice)} occur twice in the manifest.", "Give every case one line.")
    return dict(zip(names, cases, strict=True))


def find_predictions(cases: Mapping[str, Case], folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Which file of the folder belongs to which case: `NAME` or the image's name + .nii.gz, .nii or .seg.nrrd.

    Returns:
        Files by name of the case, and notes (files of the folder that belong to no case).

    Raises:
        MedVLPError: no such folder, cases without a file, cases with two, a file of two cases.
    """
    if not folder.is_dir():
        raise MedVLPError(f"The folder of predictions {folder} does not exist.", "Check the path.")
    there: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.lower().endswith(ENDINGS):
            there.setdefault(stem_of(path), []).append(path)
    fitting = {name: [p for stem in {name, case.stem} for p in there.get(stem, [])] for name, case in cases.items()}
    missing = [name for name, paths in fitting.items() if not paths]
    if missing:
        raise MedVLPError(
            f"{folder} has no prediction for {_some(missing)}.",
            f"Add NAME{', NAME'.join(ENDINGS)} for every case, or choose another split.",
        )
    for name, paths in fitting.items():
        if len(paths) > 1:
            raise MedVLPError(
                f"{name} has {len(paths)} predictions ({_some([p.name for p in paths])}).", "Keep one of them."
            )
    found = {name: paths[0] for name, paths in fitting.items()}
    shared = [path.name for path, count in Counter(found.values()).items() if count > 1]
    if shared:
        raise MedVLPError(f"{_some(shared)} would be the prediction of several cases.", "Name files by subject.")
    extra = sum(map(len, there.values())) - len(found)
    return found, (f"{extra} other predictions in {folder} belong to no case of this split.",) if extra else ()


def pairs_from_folder(cases: Mapping[str, Case], predictions: Mapping[str, Path]) -> Iterator[Pair]:
    """Pairs from files, read one at a time."""
    for name, case in cases.items():
        yield case.pair(read_label_map(predictions[name]), name)


def pairs_from_model(cases: Mapping[str, Case], segment: Callable[[Case], Segmentation]) -> Iterator[Pair]:
    """Pairs from a model that is run on one case after the other.

    Args:
        segment: reads the image of a case and segments it, on the image's grid.
    """
    without = [name for name, case in cases.items() if case.image is None or not case.image.exists()]
    if without:
        raise MedVLPError(f"There is no image for {_some(without)}.", "Check the paths in the manifest.")
    for name, case in cases.items():
        result = segment(case)
        values = {segment.value: segment.concept for segment in result.segments}
        yield case.pair(LabelMap(result.labels, result.affine, values, f"the prediction of {name}"), name)


def _some(names: Sequence[str], at_most: int = 5) -> str:
    rest = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {rest} more" if rest > 0 else "")
