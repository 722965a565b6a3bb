"""Commands that go on side by side, each under a name, looked after from the panel's timer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from MedVLPLib.Texts import _
from MedVLPTrainLib.Command import Answer, Command
from vlp3d_core.errors import MedVLPError


class Errands:
    """`vlp3d` commands that are under way.

    Args:
        python: the interpreter.
        added: to the environment of this process.
    """

    def __init__(self, python: str, added: Mapping[str, str] | None = None) -> None:
        self.python, self._added = python, added
        self._underWay: dict[str, tuple[Command, Callable[[Answer], None]]] = {}

    @property
    def busy(self) -> bool:
        return bool(self._underWay)

    def isUnderWay(self, name: str) -> bool:
        """Whether that errand has not come back yet."""
        return name in self._underWay

    def start(self, name: str, words: Sequence[str], onEnd: Callable[[Answer], None]) -> None:
        """Run `vlp3d` with these words and `--json`; one of a name at a time.

        Raises:
            MedVLPError: it cannot be started, or it is under way.
        """
        if name in self._underWay:
            raise MedVLPError(_("This is being done already."), _("Wait until it is over."))
        self._underWay[name] = (Command(self.python, words, self._added), onEnd)

    def poll(self) -> None:
        """Deliver the answers of those that have come back."""
        for name, (command, onEnd) in list(self._underWay.items()):
            answer = command.poll()
            if answer is not None and self._underWay.pop(name, None) is not None:
                onEnd(answer)

    def close(self) -> None:
        """End all of them; nobody is told."""
        underWay, self._underWay = self._underWay, {}
        for command, _onEnd in underWay.values():
            command.cancel()
