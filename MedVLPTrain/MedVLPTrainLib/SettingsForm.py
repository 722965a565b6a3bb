"""The fields of a method's settings, made from what the engine says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from MedVLPLib.Texts import _
from MedVLPTrainLib.Choices import ChoiceBox
from MedVLPTrainLib.Settings import Setting, recipeSays, settingsOf


class SettingsForm:
    """Fills settingsFrame, anew for each method.

    Args:
        ui: the panel's widgets.
        onTyped: takes a setting's name and the new text.

    Attributes:
        widgets: name of a setting → its QLineEdit or QComboBox.
    """

    def __init__(self, ui: Any, onTyped: Callable[[str, str], None]) -> None:
        self.ui, self._onTyped = ui, onTyped
        self.widgets: dict[str, Any] = {}
        self._choices: dict[str, ChoiceBox] = {}
        self._rows: Any = None
        self._method = ""
        self._filling = False

    def show(self, method: str, recipe: str, values: Mapping[str, str]) -> None:
        """Show the settings of a method, and what was typed; empty ones show what the recipe says."""
        if method != self._method:
            self._method = method
            self._make(settingsOf(method))
        says = recipeSays(method, recipe)
        self._filling = True
        for setting in settingsOf(method):
            text, default = values.get(setting.name, ""), says.get(setting.name, "")
            if setting.choices:
                entries = [(_("{value} (recipe)").format(value=default), ""), *((one, one) for one in setting.choices)]
                self._choices[setting.name].show(entries, text)
                continue
            edit = self.widgets[setting.name]
            edit.placeholderText = default
            if " ".join(edit.text.split()) != text:  # a blank that was typed a moment ago stays
                edit.text = text
        self._filling = False

    def _make(self, settings: tuple[Setting, ...]) -> None:
        if self._rows is not None:  # rows alone go in a new Qt only, which PythonQt may not know
            self._rows.visible = False
            self._rows.deleteLater()
        self.widgets, self._choices, self._rows = {}, {}, qt.QWidget()
        layout = qt.QFormLayout(self._rows)
        layout.setContentsMargins(0, 0, 0, 0)
        self.ui.settingsFrame.layout().addWidget(self._rows)
        before = self.ui.initComboBox
        for setting in settings:
            widget = self._widget(setting)
            widget.toolTip = setting.hint
            widget.accessibleName = setting.title
            layout.addRow(f"{setting.title}:", widget)
            qt.QWidget.setTabOrder(before, widget)
            self.widgets[setting.name] = before = widget
        qt.QWidget.setTabOrder(before, self.ui.moreEdit)

    def _widget(self, setting: Setting) -> Any:
        def typed(text: str) -> None:
            if not self._filling:
                self._onTyped(setting.name, text)

        if setting.choices:
            box = qt.QComboBox()
            self._choices[setting.name] = ChoiceBox(box, typed)
            return box
        edit = qt.QLineEdit()
        edit.connect("textChanged(QString)", typed)
        return edit
