"""Which volumes of a manifest a planned run takes, and which structures it learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.prompt import parse_prompt
from vlp3d_core.train.case_facts import labelled_in
from vlp3d_core.train.collect import VALIDATION, shuffled
from vlp3d_core.train.manifest import Case, read_manifest

SHOWN = 6


@dataclass(frozen=True)
class Chosen:
    """The cases of a run.

    Attributes:
        cases: all, in the manifest's order, with the splits that they have in the run.
        notes: what became of the manifest's other cases and splits; () where nothing was changed.
    """

    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()

    def of(self, split: str) -> list[Case]:
        return [case for case in self.cases if case.split == split]


def choose(manifest: Path, modality: str = "", wanted: Collection[str] = ()) -> Chosen:
    """The volumes of one modality, with subjects to validate on.

    Where no subject is for validation, a tenth of those with labels is held out from training, as
    `vlp3d manifest build` would: it depends on their names alone.

    Args:
        modality: take the volumes of this one, and those of which nobody wrote it down; "" for there is only one.
        wanted: structures to learn; () for all that are labelled.

    Raises:
        MedVLPError: the manifest cannot be used, has several modalities, or has nothing to train or to validate on.
    """
    cases = read_manifest(manifest)
    notes = []
    if modality:
        other = Counter(c.modality for c in cases if c.modality not in ("", modality))
        cases = [c for c in cases if c.modality in ("", modality)]
        notes += [f"Left out: {_counted(other)}."] if other else []
    only([c.modality for c in cases if c.split == "train"])
    if not any(_shows(c, wanted) for c in cases if c.split == "train"):
        raise MedVLPError(
            f"No training volume of {manifest} has a label map whose values are named{_as(modality, wanted)}.",
            'Give the lines "label" and "labels" ({"1": "liver"}); for "findings", name the recipe classify-small.',
        )
    if not any(c.split == "validation" for c in cases):
        held = _held_out(cases, wanted, manifest)
        cases = [replace(c, split="validation") if c.subject in held else c for c in cases]
        notes.append(f"No subject was for validation, so these are held out from training: {few(held)}.")
    elif not any(_shows(c, wanted) for c in cases if c.split == "validation"):
        raise MedVLPError(
            f"No validation volume of {manifest} has a label map whose values are named{_as(modality, wanted)}.",
            "Give some labelled subjects the split validation.",
        )
    return Chosen(tuple(cases), tuple(notes))


def structures_in(cases: Iterable[Case]) -> list[str]:
    """The structures that are labelled, by name.

    Raises:
        MedVLPError: some of them are no concepts: only what has a text can be asked for.
    """
    named = sorted({name for case in cases for name in labelled_in(case).values()})
    known = [name for name in named if name in concepts()]
    unknown = [name for name in named if name not in concepts()]
    if unknown:
        without = f", or train the others alone with concepts=[{','.join(known)}]" if known else ""
        raise MedVLPError(
            f"The manifest labels structures that are no known concepts: {', '.join(map(_with_guess, unknown))}.",
            f"Write ids of concepts.json into its labels{without}.",
        )
    return known


def only(modalities: Sequence[str]) -> str:
    """The one modality of some volumes; "" where it is not known of any.

    Raises:
        MedVLPError: there are several.
    """
    counts = Counter(m for m in modalities if m)
    if len(counts) > 1:
        raise MedVLPError(
            f"The training volumes are of several modalities: {_counted(counts)}.",
            f"Train one at a time: modality={counts.most_common(1)[0][0]} takes those volumes alone.",
        )
    return next(iter(counts), "")


def few(names: Collection[str]) -> str:
    """Some of them, and how many more there are."""
    shown = sorted(names)[:SHOWN]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _held_out(cases: Sequence[Case], wanted: Collection[str], manifest: Path) -> list[str]:
    subjects = shuffled({c.subject for c in cases if c.split == "train" and _shows(c, wanted)}, seed=0)
    if len(subjects) < 2:
        raise MedVLPError(
            f"{manifest} has one labelled subject, {subjects[0]}, to train and to validate on.",
            "Label at least one other subject; about ten make a model that is worth trying.",
        )
    return subjects[: max(1, round(VALIDATION * len(subjects)))]


def _shows(case: Case, wanted: Collection[str]) -> bool:
    named = set(labelled_in(case).values())
    return not named.isdisjoint(wanted) if wanted else bool(named)


def _as(modality: str, wanted: Collection[str]) -> str:
    names = f" {' or '.join(wanted)}" if wanted else ""
    return names + (f" and is {modality}" if modality else "")


def _with_guess(name: str) -> str:
    """ "kidney_l (kidney_left?)" """
    meant = parse_prompt(name.replace("_", " ")).concepts
    return f"{name} ({meant[0].id}?)" if len(meant) == 1 else name


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{n} of {name}" for name, n in counts.most_common())
