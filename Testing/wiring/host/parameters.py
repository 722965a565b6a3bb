"""A small equivalent of `slicer.parameterNodeWrapper`, written for these tests.

Texts, whole numbers, truth values and nodes, stored in the parameter node in Slicer's own form, and connected to the
four kinds of widget that our panel has for them.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
import vtk


@dataclass(frozen=True)
class WithinRange:
    """The range of a number; the widget takes it over."""

    minimum: float
    maximum: float


@dataclass(frozen=True)
class _Field:
    name: str
    kind: type
    limits: WithinRange | None
    start: Any

    def write(self, node: Any, value: Any) -> None:
        if value is not None and not isinstance(value, self.kind):
            raise ValueError(f"{self.name} takes {self.kind.__name__}, not {value!r}")
        if self.limits and not self.limits.minimum <= value <= self.limits.maximum:
            raise ValueError(f"{self.name}: {value} is outside {self.limits}")
        if _is_node(self.kind):
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(self.name, str(value))

    def read(self, node: Any) -> Any:
        if not node.HasParameter(self.name):
            self.write(node, self.start)
        if _is_node(self.kind):
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.kind is bool else self.kind(text)


def _is_node(kind: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def parameterNodeWrapper(cls: Any) -> Any:
    """Class decorator: annotated fields become properties that live in a parameter node."""
    fields = {}
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        extra = getattr(hint, "__metadata__", ())
        kind = typing.get_args(hint)[0] if extra else hint
        limits = next((e for e in extra if isinstance(e, WithinRange)), None)
        start = getattr(cls, name, None if _is_node(kind) else kind())
        fields[name] = _Field(name, kind, limits, start)
        setattr(cls, name, _property(fields[name]))
    cls._fields = fields
    for method in (__init__, connectGui, disconnectGui, AddObserver, RemoveObserver, StartModify, EndModify):
        setattr(cls, method.__name__, method)
    return cls


def _property(field: _Field) -> property:
    return property(
        lambda self: field.read(self.parameterNode), lambda self, value: field.write(self.parameterNode, value)
    )


def __init__(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    self.parameterNode = parameterNode
    self._guis = {}
    self._updating = False
    for field in self._fields.values():
        field.read(parameterNode)  # an unreadable value is an error at once, as in Slicer


def connectGui(self: Any, ui: Any) -> int:
    """Connect every widget that has the property SlicerParameterName. Returns a tag for `disconnectGui`."""
    wires = []
    for widget in ui.__dict__.values():
        name = widget.property("SlicerParameterName")
        if name:
            wires.append((name, widget, *_connector(self._fields[name], widget)))
    undo: list[Callable[[], None]] = []

    def to_widgets(*_: Any) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for name, _widget, _signal, _read, write in wires:
                write(getattr(self, name))
        finally:
            self._updating = False

    for name, _widget, signal, read, write in wires:
        write(getattr(self, name))

        def changed(name: str = name, read: Callable[[], Any] = read) -> None:
            if not self._updating:
                setattr(self, name, read())

        def slot(changed: Callable[[], None] = changed) -> None:
            changed()

        plain = _no_arguments(slot)
        signal.connect(plain)
        undo.append(lambda signal=signal, plain=plain: signal.disconnect(plain))  # type: ignore[misc]
    observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widgets)
    undo.append(lambda: self.RemoveObserver(observer))
    tag = len(self._guis)
    self._guis[tag] = undo
    return tag


def _no_arguments(function: Callable[[], None]) -> Callable[[], None]:
    return lambda: function()


def _connector(field: _Field, widget: Any) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
    """(signal, read, write) of a widget."""
    kind = widget.className()
    if kind == "qMRMLNodeComboBox" and _is_node(field.kind):
        widget.nodeTypes = [field.kind.__name__]
        return widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode
    if kind == "QCheckBox" and field.kind is bool:
        return widget.stateChanged, lambda: widget.checked, lambda value: setattr(widget, "checked", value)
    if kind == "QLineEdit" and field.kind is str:
        return widget.textChanged, lambda: widget.text, lambda value: _set_text(widget, value)
    if kind == "QSpinBox" and field.kind is int:
        if field.limits:
            widget.setRange(int(field.limits.minimum), int(field.limits.maximum))
        return widget.valueChanged, lambda: widget.value, lambda value: setattr(widget, "value", value)
    raise RuntimeError(f"Slicer cannot connect a {kind} to the parameter {field.name}: {field.kind}")


def _set_text(widget: Any, value: str) -> None:
    if widget.text != value:
        widget.text = value


def disconnectGui(self: Any, tag: int) -> None:
    """Undo `connectGui`."""
    for step in self._guis.pop(tag, ()):
        step()


def AddObserver(self: Any, event: Any, callback: Any, priority: float = 0.0) -> Any:
    """Observe the parameter node."""
    return self.parameterNode.AddObserver(event, callback, priority)


def RemoveObserver(self: Any, tag: int) -> None:
    """Stop observing the parameter node."""
    self.parameterNode.RemoveObserver(tag)


def StartModify(self: Any) -> Any:
    """Begin a change that observers see as one."""
    return self.parameterNode.StartModify()


def EndModify(self: Any, was: Any) -> None:
    """End it."""
    self.parameterNode.EndModify(was)
