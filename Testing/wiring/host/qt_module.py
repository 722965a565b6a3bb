"""The module `qt`: PySide6's classes, whose objects behave as PythonQt's."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.wiring.host.pythonqt import unwrap, wrap


class QtClass:
    """`qt.QLabel`: calling it makes a wrapped object; its attributes are enum values and static functions."""

    def __init__(self, qt_class: Any) -> None:
        self.qt_class = qt_class

    def __call__(self, *args: Any) -> Any:
        return wrap(self.qt_class(*unwrap(args)))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.qt_class, name)
        if callable(value) and not isinstance(value, type):
            return lambda *args: wrap(value(*unwrap(args)))
        return value

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(unwrap(instance), self.qt_class)


class QtModule(types.ModuleType):
    """Looks names up in QtWidgets, QtGui and QtCore, as PythonQt's one module `qt` holds them all."""

    def __getattr__(self, name: str) -> Any:
        for module in (QtWidgets, QtGui, QtCore):
            if hasattr(module, name):
                found = getattr(module, name)
                return QtClass(found) if isinstance(found, type) and name != "Qt" else found
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


def make_qt() -> types.ModuleType:
    """A new module `qt`."""
    return QtModule("qt", "PySide6 as PythonQt shows it (wiring host)")
