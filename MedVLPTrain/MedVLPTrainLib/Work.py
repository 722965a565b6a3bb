"""One thing at a time that takes longer than a click: a command, or steps between two events; shown, and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import qt

from MedVLPLib.Guard import errorsShown
from MedVLPLib.Texts import _
from MedVLPTrainLib.Command import Command
from vlp3d_core.errors import Cancelled

INTERVAL = 50
"""Milliseconds between two looks at a command."""


class Work:
    """Drives workFrame, workLabel and cancelButton.

    Args:
        ui: the panel's widgets.
        python: the interpreter of commands.
        onChanged: called when work begins and when it ends.
        say: shows a sentence of a kind in the panel.
    """

    def __init__(
        self, ui: Any, python: str, onChanged: Callable[[], None], say: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self.ui, self.python, self._onChanged, self._say = ui, python, onChanged, say
        self._command: Command | None = None
        self._steps: Iterator[str] | None = None
        self._onEnd: Callable[[Any], None] | None = None
        self._looking = False
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._look)
        ui.workFrame.visible = False
        ui.cancelButton.connect("clicked(bool)", self.cancel)

    @property
    def busy(self) -> bool:
        return self._onEnd is not None

    def command(self, title: str, words: Sequence[str], onEnd: Callable[[Mapping[str, Any]], None]) -> None:
        """Run `vlp3d` with these words; its JSON goes to `onEnd` unless it failed or was stopped.

        Raises:
            MedVLPError: it cannot be started.
        """
        self._command = Command(self.python, words)
        self._begin(title, onEnd)

    def steps(self, title: str, steps: Iterator[str], onEnd: Callable[[None], None]) -> None:
        """Make one step after the other, with room for events between them; then `onEnd`."""
        self._steps = steps
        self._begin(title, onEnd)

    def cancel(self) -> None:
        """Stop what is being done."""
        if self._command is not None:
            self._command.cancel()
            self._look()
        elif self.busy:
            self._end()
            self._say(str(Cancelled(_("It was stopped."))), "plain")

    def close(self) -> None:
        """The panel goes away: stop, and call nothing any more."""
        self._timer.stop()
        if self._command is not None:
            self._command.cancel()
        self._command = self._steps = self._onEnd = None

    def _begin(self, title: str, onEnd: Callable[[Any], None]) -> None:
        self._onEnd = onEnd
        self.ui.workLabel.text = title
        self.ui.workFrame.visible = True
        self._timer.start(0)
        self._onChanged()

    def _look(self) -> None:
        if self._looking or not self.busy:
            return  # a message box lets timers run
        self._looking = True
        try:
            with errorsShown(self._say):
                self._lookAtCommand() if self._command is not None else self._step()
        finally:
            self._looking = False

    def _lookAtCommand(self) -> None:
        assert self._command is not None
        answer = self._command.poll()
        if answer is None:
            self._timer.start(INTERVAL)
            return
        onEnd = self._end()
        if isinstance(answer.error, Cancelled):
            self._say(str(answer.error), "plain")
        elif answer.error is not None:
            raise answer.error
        elif onEnd is not None:
            onEnd(answer.said)

    def _step(self) -> None:
        try:
            done = next(self._steps) if self._steps is not None else None
        except StopIteration:
            done = None
        except Exception:
            self._end()
            raise
        if done is not None:
            self.ui.workLabel.text = done
            self._timer.start(0)
        elif (onEnd := self._end()) is not None:
            onEnd(None)

    def _end(self) -> Callable[[Any], None] | None:
        onEnd = self._onEnd
        self._command = self._steps = self._onEnd = None
        self.ui.workFrame.visible = False
        self._onChanged()
        return onEnd
