"""Captions for a whole manifest: kept one by one, so that the same command goes on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.train.captioning.caption import Captioned, caption
from vlp3d_core.train.captioning.journal import Journal
from vlp3d_core.train.captioning.maker import CaptionMaker, MakerStopped, corrected
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest


def caption_manifest(
    manifest: Path,
    output: Path,
    maker: CaptionMaker,
    again: bool = False,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> Captioned:
    """Write `manifest` with texts to `output`, with absolute paths.

    Texts that `output` has from an earlier run, corrected or not, are taken over. Each new text goes to
    `output` + ".part" at once; that file is read by the next run, whatever ended this one, and removed at the end.

    Args:
        again: make captions anew; of a run that was interrupted only those that it had not reached.

    Raises:
        Cancelled: stopped by `cancel` or Ctrl-C; `output` has what was made.
        MakerStopped: the maker cannot go on; `output` has what was made.
        UsageError: `output` is there and is something else.
        MedVLPError: a manifest cannot be read or written.
    """
    cases = [_absolute(case) for case in read_manifest(manifest)]
    journal = Journal(output, maker, again)
    before = _earlier(output)
    cases = [_merged(case, before.get(case.image), journal.rows.get(case.image)) for case in cases]
    gone = len(before.keys() - {case.image for case in cases})
    if before and gone == len(before):
        raise UsageError(f"{output} lists other volumes than {manifest}.", "Name another file.")
    if journal.rows:  # the file that holds them is written anew by another maker
        write_manifest(cases, output)

    def keep(number: int, case: Case) -> None:
        cases[number] = case
        journal.add(case)

    try:
        with journal:
            made = caption(tuple(cases), maker, again, journal.done, keep, progress, cancel)
    except BaseException as error:
        if journal.rows:
            write_manifest(cases, output)
        if isinstance(error, (KeyboardInterrupt, Cancelled)):
            raise Cancelled(_kept(cases, output)) from None
        if isinstance(error, MakerStopped):
            raise MakerStopped(error.cause, f"{error.remedy} {_kept(cases, output)}".strip()) from error
        raise
    write_manifest(made.cases, output)
    journal.remove()
    extra = (f"Lines of the earlier {output.name} that are not in {manifest.name} any more: {gone}.",) if gone else ()
    return Captioned(made.cases, (*made.notes, *extra))


def _earlier(output: Path) -> dict[Path, Case]:
    """What an earlier run left, by image."""
    if not output.exists():
        return {}
    try:
        return {case.image: case for case in map(_absolute, read_manifest(output, check_files=False))}
    except MedVLPError as error:
        raise UsageError(
            f"{output} is there and is no manifest to go on with: {error.cause}", "Remove it, or name another file."
        ) from error


def _merged(case: Case, before: Case | None, row: Case | None) -> Case:
    """The text that counts: a person's over a program's, the later over the earlier."""
    if case.report and not case.caption:
        return case
    has_text = [c for c in (row, before) if c is not None and c.report]
    if before in has_text and (not before.caption or corrected(before)):
        has_text = [before]
    return replace(case, report=has_text[0].report, caption=has_text[0].caption) if has_text else case


def _kept(cases: Sequence[Case], output: Path) -> str:
    texts = sum(bool(case.report) for case in cases)
    if not texts or not output.exists():
        return "Nothing was written."
    return f"{texts} of {len(cases)} volumes have a text in {output}; the same command goes on."


def _absolute(case: Case) -> Case:
    """The new manifest may lie in another folder than the old one."""
    return replace(case, image=case.image.resolve(), label=case.label and case.label.resolve())
