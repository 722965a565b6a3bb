"""The lower half of MedVLPTrain's panel in the wiring host, over real job folders."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
UI = ROOT / "MedVLPTrain" / "Resources" / "UI" / "MedVLPTrainJobs.ui"
PATIENCE = 300.0


class Bench:
    """A box of jobs, and what it has done to the world.

    Attributes:
        said: (sentence, kind) that the panel would show.
        cloned: the specs that would fill the upper half.
        opened: addresses that the desktop would open.
    """

    def __init__(self, host: Any, root: Path) -> None:
        from vlp3d_core.service.jobs.book import Jobs

        self.host, self.jobs = host, Jobs(root)
        self.said: list[tuple[str, str]] = []
        self.cloned: list[Any] = []
        self.opened: list[str] = []
        sys.modules["qt"].QDesktopServices = SimpleNamespace(openUrl=self._open)  # type: ignore[attr-defined]
        self.box: Any = None
        self.start()

    def start(self) -> None:
        """Make the box, as when Slicer starts."""
        import slicer

        from MedVLPTrainLib import JobsBox

        # On a busy machine a tick may have no time for anything; here each does all that there is.
        JobsBox.LOOK = JobsBox.TABLE = PATIENCE
        if self.box is not None:
            self.box.close()
        self.window = slicer.util.loadUI(str(UI))
        self.ui = slicer.util.childWidgetVariables(self.window)
        logic = SimpleNamespace(jobs=self.jobs)
        self.box = JobsBox.JobsBox(
            self.ui, logic, lambda text, kind: self.said.append((text, kind)), self.cloned.append
        )

    def rows(self) -> list[list[str]]:
        tree = self.ui.jobTree
        items = [tree.topLevelItem(n) for n in range(tree.topLevelItemCount)]
        return [[item.text(column) for column in range(8)] for item in items]

    def look(self) -> list[list[str]]:
        """Refresh until everything is shown; the table's texts."""
        while True:
            self.box.refresh()
            if not any(self.box._more.values()):
                return self.rows()

    def choose(self, id: str) -> None:
        self.box.selectJob(id)
        self.look()
        assert self.box.table.chosen == id

    def until(self, condition: Callable[[], Any]) -> Any:
        """Let the event loop run until a condition holds; no refresh but the box's own."""
        end = time.monotonic() + PATIENCE
        while not (value := condition()):
            assert time.monotonic() < end, (
                self.said,
                self.rows(),
                self.ui.jobAboutLabel.text,
                self.ui.jobLogEdit.plainText,
            )
            self.host.pending()
            time.sleep(0.005)
        return value

    def button(self, name: str) -> Any:
        return getattr(self.ui, f"job{name}Button")

    def _open(self, url: Any) -> bool:
        self.opened.append(url.toString())
        return True


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A box in a host without MedVLPSegment's panel, which needs a model. No slot may have raised by the end."""
    from Testing.wiring.host.application import running
    from Testing.wiring.host.pythonqt import slot_errors

    _forget()
    with running(tmp_path / "host") as host:
        made = Bench(host, tmp_path / "Aufträge von mir")
        yield made
        made.box.close()
    _forget()
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


def _forget() -> None:
    """The parts' files, which hold the modules `qt` of the host before."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "MedVLPTrainLib"]:
        del sys.modules[name]
