"""The step Method: what is trained and how, and what that will need."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from MedVLPLib.Guard import guard
from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from MedVLPTrainLib.Choices import ChoiceBox, setter
from MedVLPTrainLib.Parameters import Parameters, readForm
from MedVLPTrainLib.Settings import readLines, recipesOf, writeLines
from MedVLPTrainLib.SettingsForm import SettingsForm
from MedVLPTrainLib.SpecForm import FINETUNE, Form
from MedVLPTrainLib.Words import needText


class MethodBox:
    """Drives everything in methodCollapsibleButton that does not follow the parameter node by itself.

    Args:
        ui: the panel's widgets.
        logic: a `TrainLogic`.
        work: a `Work`.
        onChanged: called when the user has changed something.
        say: shows a sentence of a kind in the panel.
    """

    def __init__(
        self, ui: Any, logic: Any, work: Any, onChanged: Callable[[], None], say: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self.ui, self.logic, self._work, self._onChanged = ui, logic, work, onChanged
        self.parameters: Parameters | None = None
        self._filling = False
        self._starts: list[tuple[str, str]] = []
        self._tried: tuple[Form, str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.method = ChoiceBox(ui.methodComboBox, setter(self, "method", self._onChanged))
        self.recipe = ChoiceBox(ui.recipeComboBox, setter(self, "recipe", self._onChanged))
        self.init = ChoiceBox(ui.initComboBox, setter(self, "init", self._onChanged))
        self.settings = SettingsForm(ui, self._onTyped)
        ui.moreEdit.connect("textChanged()", guard(self._onMore, say))
        ui.trialButton.connect("clicked(bool)", guard(self.tryIt, say))

    def lookAround(self) -> None:
        """See what a training can start from; reads the list of jobs."""
        self._starts = self.logic.starts()

    def show(self, parameters: Parameters | None, obstacle: str) -> None:
        """Follow the parameters.

        Args:
            obstacle: why the job that they mean cannot be tried.
        """
        self.parameters = parameters
        form = readForm(parameters) if parameters is not None else Form()
        sizes = recipesOf(form.method)
        if parameters is not None and form.recipe not in sizes and form.recipe == "paper":
            parameters.recipe = sizes[0]
            return  # that change shows everything anew
        methods = [
            (_("Fine-tune: structures from label maps"), FINETUNE),
            (_("Pretrain: GTGM"), "gtgm"), (_("Pretrain: T3D"), "t3d"), (_("Pretrain: MG-3D"), "mg3d"),
        ]  # fmt: skip
        titles = {"small": _("Small: on a laptop"), "base": _("Base: on a GPU"), "paper": _("Paper: as published")}
        self.method.show(methods, form.method)
        self.recipe.show([(titles[size], size) for size in sizes], form.recipe)
        self.init.show([(_("Nothing: new weights"), ""), *self._starts], form.init)
        self._filling = True
        if self.ui.moreEdit.plainText != form.more:
            self.ui.moreEdit.setPlainText(form.more)
        self._filling = False
        self.ui.initComboBox.enabled = form.method == FINETUNE
        if parameters is not None:
            self.settings.show(form.method, form.recipe, readLines(form.settings))
        self.ui.trialButton.enabled = not obstacle
        hint = _("Make 20 steps in a temporary folder on this computer: says how long the run takes and what it needs.")
        self.ui.trialButton.toolTip = obstacle or hint
        known_need = self._tried is not None and self._tried[0] == form
        tell(self.ui.trialLabel, self._tried[1] if known_need and self._tried else "")

    def tryIt(self) -> None:
        """Measure the first steps on this computer."""
        if self.parameters is None:
            return
        form = readForm(self.parameters)
        spec = self.logic.trialSpec(form)
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="medvlp-", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / "trial.json"
        path.write_text(json.dumps(spec.to_json(), ensure_ascii=False), encoding="utf-8")

        def tried(said: Mapping[str, Any]) -> None:
            self._tried = form, needText(said)
            self._onChanged()

        self._work.command(_("Trying the first steps …"), ["trial", str(path)], tried)

    def close(self) -> None:
        """Remove what the last trial was started from."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _onTyped(self, name: str, text: str) -> None:
        if self.parameters is not None:
            self.parameters.settings = writeLines({**readLines(self.parameters.settings), name: text})

    def _onMore(self) -> None:
        if not self._filling and self.parameters is not None:
            self.parameters.more = self.ui.moreEdit.plainText
