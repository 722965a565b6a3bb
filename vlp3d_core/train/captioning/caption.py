"""The loop over volumes: what has no text gets one, what cannot get one is noted, and the next volume follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.progress import Cancel, Progress, check, never, silent
from vlp3d_core.train.captioning.maker import CaptionMaker, Left, MakerStopped, corrected, stamped
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.read import read_volume

Keep = Callable[[int, Case], None]
"""Called with the number of a case and the case with its new text, as soon as there is one."""


@dataclass(frozen=True)
class Captioned:
    """Cases with texts, and in words what was left without one."""

    cases: tuple[Case, ...]
    notes: tuple[str, ...]


def caption(
    cases: Sequence[Case],
    maker: CaptionMaker,
    again: bool = False,
    done: Collection[Path] = (),
    keep: Keep = lambda number, case: None,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Captioned:
    """Write a text for every case that has none.

    Args:
        cases: of a manifest.
        again: replace captions made earlier, corrected ones too; reports that people wrote stay.
        done: images whose captions count as made in this run: `again` leaves them alone.
        keep: takes each text as soon as it is made.

    Raises:
        MakerStopped: the maker cannot go on.
        Cancelled: `cancel` said so.
    """
    out = list(cases)
    todo = [n for n, case in enumerate(out) if not case.report or (again and case.caption and case.image not in done)]
    replaced, left, unreadable = 0, Counter[str](), []
    for turn, number in enumerate(todo, 1):
        check(cancel)
        case = out[number]
        try:
            volume = read_volume(case.image, modality=case.modality or None)
            made = maker.caption(case, volume)
        except (MakerStopped, Cancelled):
            raise
        except MedVLPError as error:
            unreadable.append(f"{case.subject} was left without a new text: {error}")
        else:
            if isinstance(made, Left):
                left[made.why] += 1
            else:
                replaced += corrected(case)
                out[number] = stamped(case, made, maker)
                keep(number, out[number])
        progress("captioning", turn / len(todo))
    notes = [f"{_volumes(n)} left without a new text: {why}." for why, n in left.items()]
    if replaced:
        notes.append(f"Made anew, although corrected by hand: {replaced}.")
    return Captioned(tuple(out), (*notes, *unreadable))


def _volumes(number: int) -> str:
    return "1 volume was" if number == 1 else f"{number} volumes were"
