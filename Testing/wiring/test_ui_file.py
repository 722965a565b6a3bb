"""The .ui file, and every place in the code that names something of it."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6 import QtWidgets

from Testing.wiring.host import widgets
from Testing.wiring.host.pythonqt import has_signal

MODULE = Path(__file__).parents[2] / "MedVLPSegment"
UI = ET.parse(MODULE / "Resources" / "UI" / "MedVLPSegment.ui").getroot()
CLASSES = {element.get("name"): element.get("class") for element in UI.iter("widget")}
SOURCES = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(MODULE.rglob("*.py"))}
USED_BY_HANDS = {
    "QLineEdit", "QTreeWidget", "QPushButton", "QToolButton", "QComboBox", "QSpinBox", "QCheckBox", "QTextBrowser",
    "QPlainTextEdit", "qMRMLNodeComboBox", "ctkCollapsibleButton",
}  # fmt: skip


def _ui_attributes(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Every `ui.X`, `self.ui.X`, `widget.ui.X`, …"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if (isinstance(owner, ast.Name) and owner.id == "ui") or (
                isinstance(owner, ast.Attribute) and owner.attr == "ui"
            ):
                yield node


def _connections() -> Iterator[tuple[str, str]]:
    """(widget name, signature) of every `ui.X.connect("signature", …)` in the code."""
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "connect"
            ):
                continue
            owner = node.func.value
            if isinstance(owner, ast.Attribute) and owner in list(_ui_attributes(node.func)):
                signature = node.args[0]
                assert isinstance(signature, ast.Constant), ast.unparse(node)
                yield owner.attr, str(signature.value)


def _values(prop: str, kind: str) -> Iterator[tuple[str, str]]:
    """(widget name, value) of a property, wherever the .ui file sets it."""
    for element in UI.iter("widget"):
        for entry in element.findall(f"property[@name='{prop}']"):
            yield element.get("name", ""), entry.findtext(kind, "")


def test_every_widget_that_the_code_names_exists() -> None:
    used = {(name, node.attr) for name, tree in SOURCES.items() for node in _ui_attributes(tree)}
    assert len(used) > 30
    assert {(name, attr) for name, attr in used if attr not in CLASSES} == set()


def test_no_two_widgets_have_the_same_name() -> None:
    names = [element.get("name") for element in UI.iter("widget")]
    assert len(names) == len(set(names))


def test_every_signal_that_the_code_connects_exists() -> None:
    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    found = list(_connections())
    assert len(found) > 15
    for name, signature in found:
        kind = CLASSES[name]
        made = getattr(widgets, kind, None) or getattr(QtWidgets, kind)
        assert has_signal(made(), signature), f"{kind} {name} has no signal {signature}"


@pytest.mark.parametrize(
    "element", [e for e in UI.iter("widget") if e.get("class") in USED_BY_HANDS], ids=lambda e: e.get("name")
)
def test_screen_readers_have_a_name_for_whatever_can_be_used(element: ET.Element) -> None:
    texts = {p.get("name"): (p.findtext("string") or "") for p in element.findall("property")}
    assert texts.get("accessibleName", "").strip()
    if element.get("class") not in ("ctkCollapsibleButton", "QTextBrowser", "QPlainTextEdit", "QTreeWidget"):
        assert texts.get("toolTip") or element.get("name") in ("segmentButton", "findButton", "installButton")


def test_the_tab_key_visits_whatever_can_be_used_in_the_order_of_the_panel() -> None:
    stops = [stop.text for stop in UI.iter("tabstop")]
    usable = [e.get("name") for e in UI.iter("widget") if e.get("class") in USED_BY_HANDS]
    assert stops == usable


def test_labels_of_fields_lead_to_them() -> None:
    buddies = dict(_values("buddy", "cstring"))
    assert len(buddies) == 7
    assert set(buddies.values()) <= set(CLASSES)
    keys = [
        text[text.index("&") + 1].lower()
        for text in ((e.findtext("property[@name='text']/string") or "") for e in UI.iter("widget"))
        if "&" in text
    ]
    assert len(keys) == len(set(keys)), "two fields answer to the same key"


def test_widgets_that_keep_a_parameter_name_one_that_exists() -> None:
    fields = {
        node.target.id
        for node in ast.walk(SOURCES["Parameters.py"])
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    named = {value for _widget, value in _values("SlicerParameterName", "string")}
    assert named == {"inputVolume", "roi", "segmentation", "query", "tile", "surfaces", "keepWarm"}
    assert named <= fields


def test_file_scope_of_the_panel_imports_nothing_heavy() -> None:
    allowed = {"slicer", "vtk", "qt", "ctk", "numpy", "vlp3d_core", "MedVLPLib", "MedVLPSegmentLib"}
    for name, tree in SOURCES.items():
        for node in tree.body:
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                top = module.partition(".")[0]
                assert top in allowed or _is_standard(top), f"{name} imports {module}"


def _is_standard(name: str) -> bool:
    import sys

    return name in sys.stdlib_module_names
