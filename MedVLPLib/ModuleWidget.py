"""What the widgets of both modules do alike: load the .ui, make the panel, follow scene and parameter node."""

import sys

import slicer
import vtk
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

MODULES = ("MedVLPSegment", "MedVLPTrain")


class ModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A module's widget says by `makePanel` which logic and which panel it has.

    A panel has `enter`, `exit`, `close`, `queueRefresh` and `setParameters`.

    Attributes:
        NODE_EVENTS: events of the scene that are reason to refresh the panel.
    """

    NODE_EVENTS = ("NodeRemovedEvent",)

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._guiTag = None

    def makePanel(self):
        """Make `self.logic`; return the panel."""
        raise NotImplementedError

    def setup(self):
        """Called when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.panel = self.makePanel()
        scene = slicer.mrmlScene
        for event in (scene.StartCloseEvent, scene.StartImportEvent):
            self.addObserver(scene, event, self.onSceneGoes)
        for event in (scene.EndCloseEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneIsThere)
        for name in self.NODE_EVENTS:
            self.addObserver(scene, getattr(scene, name), self.onModified)
        slicer.app.connect("aboutToQuit()", self.onQuit)
        self.initializeParameterNode()

    def onQuit(self):
        """Called when Slicer begins to end: processes of the panel end first, the widgets later (`cleanup`)."""
        self.panel.close()

    def cleanup(self):
        """Called when the module is reloaded and when Slicer unloads it."""
        if self.panel is None:
            return
        slicer.app.disconnect("aboutToQuit()", self.onQuit)
        self.setParameterNode(None)
        self.removeObservers()
        self.panel.close()
        self.panel = None

    def enter(self):
        """Called each time the user opens the module."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self):
        """Called each time the user opens another module."""
        self.panel.exit()

    def onReload(self):
        """Reload our code in both modules, which share much of it: no class of it may be there twice."""
        own = {"MedVLPLib", "vlp3d_core", *(f"{name}Lib" for name in MODULES)}
        for name in [name for name in sys.modules if name.partition(".")[0] in own]:
            del sys.modules[name]
        parent, ours = self.parent, self.moduleName
        ScriptedLoadableModuleWidget.onReload(self)
        for name in MODULES:
            if name != ours and hasattr(slicer.modules, name.lower()):
                slicer.util.reloadScriptedModule(name)
        if parent.isEntered:  # Slicer sets the new widget up, and does not say that it is shown
            slicer.util.getModuleWidget(ours).enter()

    def onSceneGoes(self, caller=None, event=None):
        """Before the scene is closed, or parameters of another scene are read."""
        self.setParameterNode(None)

    def onSceneIsThere(self, caller=None, event=None):
        """After that."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onModified(self, caller=None, event=None):
        """A parameter or the list of nodes has changed."""
        self.panel.queueRefresh()

    def initializeParameterNode(self):
        """Follow the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connect the widgets with a parameter node, or with none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self.panel.setParameters(parameterNode)
