"""The step Target: where the job runs, whether jobs can run there, and how it gets there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from MedVLPLib.Guard import guard
from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from MedVLPTrainLib.Choices import ChoiceBox
from MedVLPTrainLib.Parameters import Parameters
from MedVLPTrainLib.SpecForm import Form
from MedVLPTrainLib.Words import checksText

LOCAL = "local"


class TargetBox:
    """Drives everything in targetCollapsibleButton.

    Args:
        ui: the panel's widgets.
        logic: a `TrainLogic`.
        work: a `Work`.
        onChanged: called when the user has chosen another target.
        say: shows a sentence of a kind in the panel.
    """

    def __init__(
        self, ui: Any, logic: Any, work: Any, onChanged: Callable[[], None], say: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self.ui, self._logic, self._work, self._onChanged = ui, logic, work, onChanged
        self._parameters: Parameters | None = None
        self._targets: list[tuple[str, str]] = [(_("This computer"), LOCAL)]
        self._box = ChoiceBox(ui.targetComboBox, self._onTarget)
        ui.testButton.connect("clicked(bool)", guard(self.test, say))
        tell(ui.targetLabel, "")

    def lookAround(self) -> None:
        """See which profiles there are."""
        self._targets = self._logic.targets()

    def show(self, parameters: Parameters | None) -> None:
        """Follow the parameters."""
        self._parameters = parameters
        self._box.show(self._targets, parameters.target if parameters is not None else LOCAL)
        self.ui.testButton.enabled = not self._work.busy
        busy = _("Wait until the work is over, or cancel it.") if self._work.busy else ""
        self.ui.testButton.toolTip = busy or _("See whether jobs can run there.")

    def test(self) -> None:
        """Say whether jobs can run on the chosen target; on a cluster by a tiny job."""
        name = self._parameters.target if self._parameters is not None else LOCAL
        tell(self.ui.targetLabel, "" if name != LOCAL else self._logic.aboutThisComputer())
        if name != LOCAL:
            self._work.command(_("Testing the cluster by a tiny job …"), ["jobs", "test", name], self._tested)

    def submit(self, form: Form, onSubmitted: Callable[[str], None]) -> None:
        """Start the job; on a cluster without waiting for it. Its id goes to `onSubmitted`.

        Raises:
            MedVLPError: it cannot start like this.
        """
        if form.target == LOCAL:
            onSubmitted(self._logic.submit(form))
            return
        spec = self._logic.spec(form)
        folder = tempfile.TemporaryDirectory(prefix="medvlp-", ignore_cleanup_errors=True)
        path = Path(folder.name) / "job.json"
        path.write_text(json.dumps(spec.to_json(), ensure_ascii=False), encoding="utf-8")

        def submitted(said: Mapping[str, Any]) -> None:
            folder.cleanup()
            onSubmitted(str(said["id"]))

        self._work.command(_("Handing the job to the cluster …"), ["jobs", "submit", str(path)], submitted)

    def _tested(self, said: Mapping[str, Any]) -> None:
        tell(self.ui.targetLabel, checksText(said), "plain" if said.get("ok") else "error")

    def _onTarget(self, name: str) -> None:
        if self._parameters is not None:
            self._parameters.target = name
            tell(self.ui.targetLabel, "")
            self._onChanged()
