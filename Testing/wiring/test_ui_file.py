"""The .ui files, and every place in the code that names something of them."""

from __future__ import annotations

import ast
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from PySide6 import QtWidgets

from Testing.wiring.host import widgets
from Testing.wiring.host.pythonqt import has_signal

ROOT = Path(__file__).parents[2]
USED_BY_HANDS = {
    "QLineEdit", "QTreeWidget", "QPushButton", "QToolButton", "QComboBox", "QSpinBox", "QCheckBox", "QTextBrowser",
    "QPlainTextEdit", "qMRMLNodeComboBox", "ctkCollapsibleButton",
}  # fmt: skip
SHARED = {"dependencyFrame", "dependencyLabel", "installButton"}
"""What MedVLPLib asks of every panel."""


@dataclass(frozen=True)
class Module:
    """A module's .ui file and its code; `buddies` and `parameters` count what the file ties together."""

    name: str
    buddies: int
    parameters: int

    @cached_property
    def root(self) -> ET.Element:
        return ET.parse(ROOT / self.name / "Resources" / "UI" / f"{self.name}.ui").getroot()

    @cached_property
    def classes(self) -> dict[str, str]:
        """Of all its .ui files: the table of jobs has one of its own."""
        roots = [ET.parse(path).getroot() for path in sorted((ROOT / self.name / "Resources" / "UI").glob("*.ui"))]
        return {e.get("name", ""): e.get("class", "") for root in roots for e in root.iter("widget")}

    @cached_property
    def sources(self) -> dict[str, ast.Module]:
        paths = sorted((ROOT / self.name).rglob("*.py"))
        return {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in paths}

    def connections(self) -> Iterator[tuple[str, str]]:
        """(widget name, signature) of every `ui.X.connect("signature", …)` in the code."""
        for tree in self.sources.values():
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

    def values(self, prop: str, kind: str) -> Iterator[tuple[str, str]]:
        """(widget name, value) of a property, wherever the .ui file sets it."""
        for element in self.root.iter("widget"):
            for entry in element.findall(f"property[@name='{prop}']"):
                yield element.get("name", ""), entry.findtext(kind, "")

    def usable(self) -> list[ET.Element]:
        return [e for e in self.root.iter("widget") if e.get("class") in USED_BY_HANDS]


MODULES = (Module("MedVLPSegment", 7, 7), Module("MedVLPTrain", 12, 5))


@pytest.fixture(params=MODULES, ids=lambda module: module.name)
def module(request: pytest.FixtureRequest) -> Module:
    return request.param  # type: ignore[no-any-return]


def _ui_attributes(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Every `ui.X`, `self.ui.X`, `widget.ui.X`, …"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if (isinstance(owner, ast.Name) and owner.id == "ui") or (
                isinstance(owner, ast.Attribute) and owner.attr == "ui"
            ):
                yield node


def test_every_widget_that_the_code_names_exists(module: Module) -> None:
    used = {(name, node.attr) for name, tree in module.sources.items() for node in _ui_attributes(tree)}
    assert len(used) > 30
    assert {(name, attr) for name, attr in used if attr not in module.classes} == set()
    assert set(module.classes) >= SHARED


def test_no_two_widgets_have_the_same_name(module: Module) -> None:
    names = [element.get("name") for element in module.root.iter("widget")]
    assert len(names) == len(set(names))


def test_every_signal_that_the_code_connects_exists(module: Module) -> None:
    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    found = list(module.connections())
    assert len(found) > 10
    for name, signature in found:
        kind = module.classes[name]
        made = getattr(widgets, kind, None) or getattr(QtWidgets, kind)
        assert has_signal(made(), signature), f"{kind} {name} has no signal {signature}"


@pytest.mark.parametrize("element", [e for m in MODULES for e in m.usable()], ids=lambda e: e.get("name"))
def test_screen_readers_have_a_name_for_whatever_can_be_used(element: ET.Element) -> None:
    texts = {p.get("name"): (p.findtext("string") or "") for p in element.findall("property")}
    assert texts.get("accessibleName", "").strip()
    if element.get("class") not in ("ctkCollapsibleButton", "QTextBrowser", "QPlainTextEdit", "QTreeWidget"):
        assert texts.get("toolTip") or element.get("name") in (
            "segmentButton",
            "findButton",
            "likeButton",
            "installButton",
        )


def test_the_tab_key_visits_whatever_can_be_used_in_the_order_of_the_panel(module: Module) -> None:
    assert [stop.text for stop in module.root.iter("tabstop")] == [e.get("name") for e in module.usable()]


def test_labels_of_fields_lead_to_them(module: Module) -> None:
    buddies = dict(module.values("buddy", "cstring"))
    assert len(buddies) == module.buddies
    assert set(buddies.values()) <= set(module.classes)
    keys = [
        text[text.index("&") + 1].lower()
        for text in ((e.findtext("property[@name='text']/string") or "") for e in module.root.iter("widget"))
        if "&" in text
    ]
    assert len(keys) == len(set(keys)), "two fields answer to the same key"


def test_widgets_that_keep_a_parameter_name_one_that_exists(module: Module) -> None:
    fields = {
        node.target.id
        for node in ast.walk(module.sources["Parameters.py"])
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    named = {value for _widget, value in module.values("SlicerParameterName", "string")}
    assert len(named) == module.parameters
    assert named <= fields


def test_file_scope_of_the_panel_imports_nothing_heavy(module: Module) -> None:
    allowed = {"slicer", "vtk", "qt", "ctk", "numpy", "vlp3d_core", "MedVLPLib", f"{module.name}Lib"}
    for name, tree in module.sources.items():
        for node in tree.body:
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for imported in modules:
                top = imported.partition(".")[0]
                assert top in allowed or top in sys.stdlib_module_names, f"{name} imports {imported}"
