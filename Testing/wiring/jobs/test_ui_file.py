"""MedVLPTrainJobs.ui, and every place in the code that names something of it."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ET
from pathlib import Path

MODULE = Path(__file__).parents[3] / "MedVLPTrain"
UI = ET.parse(MODULE / "Resources" / "UI" / "MedVLPTrainJobs.ui").getroot()
WIDGETS = {element.get("name", ""): element for element in UI.iter("widget")}
PARTS = ("JobsBox", "JobsTable", "JobLog", "JobActions", "ModelActions")
BY_HAND = {"QTreeWidget", "QPushButton", "QComboBox", "QPlainTextEdit"}


def test_every_widget_that_the_code_names_exists() -> None:
    used = set()
    for name in PARTS:
        tree = ast.parse((MODULE / "MedVLPTrainLib" / f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("ui", "self.ui"):
                used.add(node.attr)
    usable = {name for name, element in WIDGETS.items() if element.get("class") in BY_HAND}
    assert used <= set(WIDGETS) and usable <= used, "every widget exists, and every usable one is used"


def test_names_are_this_file_s_own() -> None:
    """The panel puts the widgets of several files beside each other."""
    names = [element.get("name", "") for element in UI.iter("widget")]
    assert len(names) == len(set(names))
    assert all(name.startswith("job") for name in names if name != "MedVLPTrainJobs")


def test_screen_readers_and_the_tab_key_reach_everything() -> None:
    usable = [name for name, element in WIDGETS.items() if element.get("class") in BY_HAND]
    assert [stop.text for stop in UI.iter("tabstop")] == usable
    for name in usable:
        texts = {p.get("name"): (p.findtext("string") or "") for p in WIDGETS[name].findall("property")}
        assert texts["accessibleName"]
        assert texts.get("toolTip") or name in ("jobTree", "jobLogEdit")
