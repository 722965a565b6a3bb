"""TensorBoard for a job: a process of its own, whose page opens in the browser as soon as it says where it is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from MedVLPLib.Texts import _
from MedVLPTrainLib.Child import ERR, OUT, Child
from MedVLPTrainLib.Obstacles import BOARD
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.environment import environment_for_package

ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+/")


class Boards:
    """The TensorBoards that were started here. They listen on this computer only, and end with the panel: nobody would
    find them afterwards.

    Args:
        python: the interpreter.
        openPage: takes the address of a page.
    """

    def __init__(self, python: str, openPage: Callable[[str], None]) -> None:
        self._python, self._openPage = python, openPage
        self._boards: dict[str, Child] = {}
        self._starting: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether one is starting."""
        return bool(self._starting)

    def isStarting(self, id: str) -> bool:
        return id in self._starting

    def open(self, id: str, folder: Path) -> None:
        """Show the TensorBoard of the job in a folder; a running one is shown again.

        Raises:
            MedVLPError: it cannot be started.
        """
        if id not in self._boards:
            # Port 0: a free one.
            words = ["-m", "tensorboard.main", f"--logdir={folder / BOARD}", "--host=localhost", "--port=0"]
            self._boards[id] = Child([self._python, *words], environment_for_package(os.environ))
        self._starting.add(id)

    def poll(self) -> None:
        """Open the pages of those that are ready.

        Raises:
            MedVLPError: one has ended by itself.
        """
        for id in list(self._starting):
            board = self._boards[id]
            words = board.words(ERR) + board.words(OUT)
            found = ADDRESS.search(words)
            if board.code is not None:
                self.end(id)
                last = next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "")
                raise MedVLPError(
                    _("TensorBoard ended by itself: {words}").format(words=last[:300]), _("Look at the curves instead.")
                )
            if found:
                self._starting.discard(id)
                self._openPage(found[0])

    def end(self, id: str) -> None:
        """End the TensorBoard of a job, if there is one."""
        self._starting.discard(id)
        board = self._boards.pop(id, None)
        if board is not None:
            board.end()

    def close(self) -> None:
        """End all of them."""
        for id in list(self._boards):
            self.end(id)
