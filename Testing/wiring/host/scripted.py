"""Small equivalents of Slicer's base classes for scripted modules, written for these tests.

Only what our module inherits and what Slicer calls on it: see the class of the same name in Slicer for the real thing.
"""

from __future__ import annotations

import logging
import unittest
from pathlib import Path
from typing import Any

import slicer
import slicer.util

__all__ = ["ScriptedLoadableModule", "ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest"]
__all__ += ["ScriptedLoadableModuleWidget"]


class ScriptedLoadableModule:
    """The module's entry: title, help and the place of its resources."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    """The panel's base; `cleanup` is called when the module is unloaded."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        pass

    def cleanup(self) -> None:
        pass

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()


class ScriptedLoadableModuleLogic:
    """Owns the module's one parameter node in the scene."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Runs every method whose name begins with `test`, each after `setUp`."""

    def runTest(self) -> None:
        for name in [name for name in dir(self) if name.startswith("test") and callable(getattr(self, name))]:
            logging.info("Running %s", name)
            self.setUp()
            try:
                getattr(self, name)()
            finally:
                self.tearDown()

    def delayDisplay(self, message: str, *_args: Any, **_more: Any) -> None:
        logging.info(message)
        slicer.app.processEvents()
