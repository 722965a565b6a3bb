"""`slicer.util.loadUI`: Qt's own reader, strict about what a .ui file says of the widgets that are ours to imitate."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from Testing.wiring.host.pythonqt import has_signal, unwrap, wrap
from Testing.wiring.host.widgets import ctkCollapsibleButton, qMRMLNodeComboBox, qMRMLWidget

CUSTOM = (qMRMLWidget, qMRMLNodeComboBox, ctkCollapsibleButton)


def load_ui(path: str) -> Any:
    """The widget of a `.ui` file, wrapped.

    Raises:
        RuntimeError: the file is not there, or names a widget, property, signal or slot that does not exist.
    """
    if not Path(path).is_file():
        raise RuntimeError(f"Could not load UI file: file not found {path}")
    tree = ET.parse(path)
    wires = tree.getroot().find("connections")
    found = list(wires) if wires is not None else []
    if wires is not None:
        tree.getroot().remove(wires)  # Qt's reader cannot connect signals of Python classes
    loader = QtUiTools.QUiLoader()
    for kind in CUSTOM:
        loader.registerCustomWidget(kind)
    data = QtCore.QBuffer()
    data.setData(ET.tostring(tree.getroot(), encoding="utf-8"))
    data.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    widget = loader.load(data)
    if widget is None:
        raise RuntimeError(f"Could not load UI file: {path}\n{loader.errorString()}")
    _check_properties(tree, widget)
    for wire in found:
        _connect(widget, *(wire.findtext(tag, "") for tag in ("sender", "signal", "receiver", "slot")))
    return wrap(widget)


def child_widget_variables(widget: Any) -> Any:
    """`slicer.util.childWidgetVariables`: every named child as an attribute."""
    ui = type("", (), {})()
    for child in unwrap(widget).findChildren(QtCore.QObject):
        if child.objectName():
            setattr(ui, child.objectName(), wrap(child))
    return ui


def _connect(widget: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    source, target = _named(widget, sender), _named(widget, receiver)
    if not has_signal(source, signal):
        raise RuntimeError(f"{sender} has no signal {signal}")
    method = getattr(target, slot.partition("(")[0], None)
    if method is None:
        raise RuntimeError(f"{receiver} has no slot {slot}")
    getattr(source, signal.partition("(")[0]).connect(method)


def _named(widget: QtWidgets.QWidget, name: str) -> Any:
    found = widget if widget.objectName() == name else widget.findChild(QtCore.QObject, name)
    if found is None:
        raise RuntimeError(f"the .ui file has no widget named {name}")
    return found


def _check_properties(tree: Any, widget: QtWidgets.QWidget) -> None:
    """Qt's reader only warns of a property that a class does not have."""
    for element in tree.getroot().iter("widget"):
        target = _named(widget, element.get("name"))
        kind = element.get("class")
        if target.metaObject().className() != kind:
            raise RuntimeError(f"{element.get('name')} is a {target.metaObject().className()}, not a {kind}")
        for prop in element.findall("property"):
            known = target.metaObject().indexOfProperty(prop.get("name")) >= 0
            if not known and prop.get("stdset") != "0" and prop.get("name") != "buddy":
                raise RuntimeError(f"{kind} {element.get('name')} has no property {prop.get('name')}")
