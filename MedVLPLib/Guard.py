"""Slots whose errors reach the user as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import slicer

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError


@contextmanager
def errorsShown(say: Callable[[str, str], None]) -> Iterator[None]:
    """What a user can cause is said in the panel and in a message box; anything else comes with its details.

    Args:
        say: takes the sentence and "error".
    """
    with slicer.util.tryWithErrorDisplay(_("Something went wrong that should not have.")):
        try:
            yield
        except MedVLPError as error:
            say(str(error), "error")
            slicer.util.errorDisplay(str(error))


def guard(slot: Callable[[], None], say: Callable[[str, str], None]) -> Callable[[], None]:
    """A slot without values that runs inside `errorsShown`."""

    def guarded() -> None:
        with errorsShown(say):
            slot()

    return guarded
