"""The box of models: automatic or chosen, the reason, and the card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from MedVLPLib.Tell import tell
from MedVLPLib.Texts import _
from MedVLPSegmentLib.CardPage import cardPage
from MedVLPSegmentLib.Choice import Choice, chooseModel, judge
from vlp3d_core.model.fitting import Facts


class ModelChoice:
    """Drives modelComboBox, cardButton, modelReasonLabel and cardBrowser.

    Attributes:
        models: as `Worker.models` gives them.
        choice: the model that will run, and why.
    """

    def __init__(self, ui: Any, onChanged: Callable[[], None]) -> None:
        self.ui, self.onChanged = ui, onChanged
        self.models: list[dict[str, Any]] = []
        self.choice = Choice("", "", False)
        self._filling = False
        self._page = ""
        ui.cardBrowser.visible = False
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onChosen)
        ui.cardButton.connect("toggled(bool)", self._onCard)

    def setModels(self, models: Sequence[dict[str, Any]]) -> None:
        """List these models; `show` must follow."""
        self.models = list(models)
        self._filling = True
        box = self.ui.modelComboBox
        box.clear()
        box.addItem(_("Automatic"), "")
        for model in self.models:
            title = model["title"] or model["name"]
            box.addItem(_("{title} (cannot be used)").format(title=title) if model["problem"] else title, model["name"])
        self._filling = False

    def show(self, name: str, facts: Facts | None, seen: Choice | None = None) -> None:
        """Select a model by name ("" is automatic) and say what that means for a volume, None where there is none.

        Args:
            seen: what the worker chose by what the volume shows, once it has.
        """
        box = self.ui.modelComboBox
        self._filling = True
        box.setCurrentIndex(max(0, box.findData(name)))
        self._filling = False
        chosen = self._named(name)
        if chosen:
            self.choice = judge(chosen, facts.modality if facts else "")
        elif facts:
            choice = chooseModel(self.models, facts)
            self.choice = seen if seen is not None and choice.several else choice
        else:
            self.choice = Choice(self._first(), "")
        tell(self.ui.modelReasonLabel, self.choice.reason, "quiet" if self.choice.fits else "warning")
        self._showCard()

    def model(self) -> dict[str, Any] | None:
        """The model that will run, None where none fits."""
        return self._named(self.choice.name)

    def chosenName(self) -> str:
        """What the user chose; "" is automatic."""
        return self.ui.modelComboBox.itemData(self.ui.modelComboBox.currentIndex) or ""

    def _named(self, name: str) -> dict[str, Any] | None:
        return next((model for model in self.models if name and model["name"] == name), None)

    def _first(self) -> str:
        return next((model["name"] for model in self.models if not model["problem"]), "")

    def _onChosen(self) -> None:
        if not self._filling:
            self.onChanged()

    def _onCard(self, shown: bool) -> None:
        self.ui.cardBrowser.visible = shown
        self._showCard()

    def _showCard(self) -> None:
        model = self.model()
        self.ui.cardButton.enabled = model is not None
        if model is None:
            self.ui.cardButton.checked = False
            return
        page = cardPage(model) if self.ui.cardButton.checked else ""
        if page and page != self._page:
            self.ui.cardBrowser.setHtml(page)
            self._page = page
