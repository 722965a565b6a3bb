"""`slicer.app`, and the application around a module: start, enter, reload, quit."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from Testing.slicer.host import make_scene
from Testing.wiring.host import parameters, pythonqt, scripted
from Testing.wiring.host.load_ui import child_widget_variables, load_ui
from Testing.wiring.host.pythonqt import wrap
from Testing.wiring.host.qt_module import make_qt
from Testing.wiring.host.segment_selector import qMRMLSegmentSelectorWidget
from Testing.wiring.host.widgets import ctkCollapsibleButton, qMRMLNodeComboBox, qMRMLWidget

ROOT = Path(__file__).parents[3]
MODULE_FILE = ROOT / "MedVLPSegment" / "MedVLPSegment.py"
NAME = MODULE_FILE.stem
OURS = ("MedVLPSegment", "MedVLPSegmentLib", "MedVLPTrain", "MedVLPTrainLib", "MedVLPLib", "vlp3d_core")


class _ModuleManager(QtCore.QObject):
    unloading = QtCore.Signal(str)
    SIGNALS: ClassVar = {"moduleAboutToBeUnloaded(QString)": "unloading"}


class _Application(QtCore.QObject):
    """What our module asks of `slicer.app`."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()
    SIGNALS: ClassVar = {"startupCompleted()": "startupCompleted", "aboutToQuit()": "aboutToQuit"}

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._manager = _ModuleManager()
        self._settings = QtCore.QSettings(str(folder / "Slicer.ini"), QtCore.QSettings.Format.IniFormat)
        self._name = "Slicer (wiring host)"

    applicationName = QtCore.Property(str, lambda self: self._name)

    def moduleManager(self) -> Any:
        return self._manager

    def userSettings(self) -> Any:
        return self._settings

    def layoutManager(self) -> None:
        """None, as in Slicer with --no-main-window."""

    def testingEnabled(self) -> bool:
        return True

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor: Any) -> None:
        pass

    def restoreOverrideCursor(self) -> None:
        pass


class WiringHost:
    """The application of one test: a scene and one module.

    Args:
        folder: an empty folder, for settings and caches.
        worker: makes the client in place of `Worker`; None is the real thing, one process for each panel.
        name: of the module.

    Attributes:
        messages: (level, text) of the dialogs that the module would have shown.
        answers: what the next confirmation dialogs answer; True when empty.
    """

    def __init__(self, folder: Path, worker: Callable[..., Any] | None = None, name: str = NAME) -> None:
        self.name, self.file = name, ROOT / name / f"{name}.py"
        self.application = _Application(folder)
        self._worker = worker
        self.scene = make_scene(folder / "cache")
        self.messages: list[tuple[str, str]] = []
        self.answers: list[bool] = []
        self.widget: Any = None
        self._parent: Any = None

    def open(self) -> Any:
        """Load the module's file as Slicer does, make its panel and enter it. Returns the module's widget."""
        self._load()
        self.new_panel()
        self.enter()
        return self.widget

    def _load(self) -> types.ModuleType:
        spec = importlib.util.spec_from_file_location(self.name, self.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = module
        spec.loader.exec_module(module)
        if self._worker is not None:
            module.Worker = self._worker  # type: ignore[attr-defined]
        entry = types.SimpleNamespace(path=str(self.file))
        setattr(slicer.modules, self.name.lower(), entry)
        setattr(slicer.modules, self.name + "Instance", getattr(module, self.name)(entry))
        return module

    def new_panel(self) -> None:
        """Make the panel inside a qMRMLWidget, as the module panel does."""
        if self._parent is None:
            self._parent = QtWidgets.QWidget()
            QtWidgets.QVBoxLayout(self._parent).setContentsMargins(0, 0, 0, 0)
            self._entry = _Parent(self._parent)
        self.widget = getattr(sys.modules[self.name], self.name + "Widget")(self._entry)
        setattr(slicer.modules, self.name + "Widget", self.widget)
        self.widget.setup()

    def enter(self) -> None:
        """The user opens the module."""
        self.widget.parent.isEntered = True
        self.widget.enter()

    def leave(self) -> None:
        """The user opens another module."""
        self.widget.parent.isEntered = False
        self.widget.exit()

    def reload(self, _name: str = "") -> None:
        """What `slicer.util.reloadScriptedModule` does."""
        self._load()
        old = self.widget
        old.cleanup()
        pythonqt.disconnect(
            self.application.moduleManager(), "moduleAboutToBeUnloaded(QString)", old._onModuleAboutToBeUnloaded
        )
        layout = self._parent.layout()
        while layout.count():
            item = layout.takeAt(0)
            if item.widget():
                item.widget().deleteLater()
        self.new_panel()

    def quit(self) -> None:
        """The user closes the application."""
        self.application.aboutToQuit.emit()
        self.application.moduleManager().unloading.emit(self.name)

    @property
    def window(self) -> QtWidgets.QWidget:
        """What the panel lies in."""
        return self._parent

    def pending(self) -> None:
        """Handle the events that have come up."""
        for _ in range(3):
            QtWidgets.QApplication.processEvents()

    def _say(self, level: int) -> Any:
        def display(text: str, *_args: Any, **_more: Any) -> None:
            self.messages.append((logging.getLevelName(level).lower(), text))

        return display

    def _confirm(self, text: str, *_args: Any, **_more: Any) -> bool:
        self.messages.append(("question", text))
        return self.answers.pop(0) if self.answers else True


class _Parent:
    """The qSlicerScriptedLoadableModuleWidget that a module's widget lies in."""

    def __init__(self, widget: QtWidgets.QWidget) -> None:
        self.isEntered = False
        self.layout = lambda: wrap(widget.layout())


@contextlib.contextmanager
def running(folder: Path, worker: Callable[..., Any] | None = None, name: str = NAME) -> Iterator[WiringHost]:
    """A host whose `slicer.app`, `qt`, `ctk`, … are in place inside the with statement.

    The module's files are forgotten afterwards. The engine's are kept, or, after a reload, are again those of before,
    so that other tests keep their classes.
    """
    QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    host = WiringHost(folder, worker, name)
    ctk = types.ModuleType("ctk")
    ctk.ctkCollapsibleButton = ctkCollapsibleButton  # type: ignore[attr-defined]
    modules = {
        "qt": make_qt(),
        "ctk": ctk,
        "slicer.ScriptedLoadableModule": scripted,
        "slicer.parameterNodeWrapper": parameters,
        "slicer.i18n": _untranslated(),
    }
    attributes = {
        "app": wrap(host.application),
        "selfTests": {},
        "qMRMLWidget": qMRMLWidget,
        "qMRMLNodeComboBox": qMRMLNodeComboBox,
        "qMRMLSegmentSelectorWidget": lambda: wrap(qMRMLSegmentSelectorWidget()),
    }
    utilities = {
        "loadUI": load_ui,
        "childWidgetVariables": child_widget_variables,
        "mainWindow": lambda: None,
        "getModuleWidget": lambda name: host.widget,
        "reloadScriptedModule": host.reload,
        "errorDisplay": host._say(logging.ERROR),
        "warningDisplay": host._say(logging.WARNING),
        "infoDisplay": host._say(logging.INFO),
        "confirmOkCancelDisplay": host._confirm,
        "confirmYesNoDisplay": host._confirm,
    }
    before = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    pythonqt.slot_errors.clear()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(sys.modules, modules))
        stack.enter_context(mock.patch.object(sys, "path", [str(host.file.parent), *sys.path]))
        for target, values in ((slicer, attributes), (slicer.util, utilities)):
            for name, value in values.items():
                stack.enter_context(mock.patch.object(target, name, value, create=True))
        for name in before:
            if not _is_engine(name):
                del sys.modules[name]
        try:
            yield host
        finally:
            if host.widget is not None:
                host.quit()
            reloaded = any(sys.modules.get(name) is not module for name, module in before.items() if _is_engine(name))
            for name in list(sys.modules):
                if _is_ours(name) and (reloaded or not _is_engine(name)):
                    del sys.modules[name]
            sys.modules.update(before)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


def _is_engine(name: str) -> bool:
    return name.partition(".")[0] == "vlp3d_core"


def _untranslated() -> types.ModuleType:
    module = types.ModuleType("slicer.i18n")
    module.tr = lambda text: text  # type: ignore[attr-defined]
    module.translate = lambda context, text: text  # type: ignore[attr-defined]
    return module
