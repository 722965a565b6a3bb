"""The widgets of CTK and Slicer that our `.ui` files name: their properties, slots and signals, little of their look.

`SIGNALS` gives the C++ signatures (from the headers of CTK and Slicer) and which Python signal stands for each.
"""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore, QtGui, QtWidgets

Property, Signal = QtCore.Property, QtCore.Signal


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows a scene and tells its children."""

    mrmlSceneChanged = Signal(object)
    SIGNALS: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A headline that folds its children away. Painted plainly."""

    contentsCollapsed = Signal(bool)
    SIGNALS: ClassVar = {"contentsCollapsed(bool)": "contentsCollapsed"}
    HEAD = 24

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self.setContentsMargins(0, self.HEAD, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.clicked.connect(lambda: self._collapse(not self._collapsed))

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setMaximumHeight(self.HEAD if collapsed else 16777215)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)
        self.update()

    collapsed = Property(bool, lambda self: self._collapsed, _collapse, notify=contentsCollapsed)

    def sizeHint(self) -> QtCore.QSize:
        inner = self.layout().sizeHint() if self.layout() and not self._collapsed else QtCore.QSize(0, self.HEAD)
        return QtCore.QSize(max(inner.width(), 100), inner.height())

    def minimumSizeHint(self) -> QtCore.QSize:
        inner = self.layout().minimumSize() if self.layout() and not self._collapsed else QtCore.QSize(0, self.HEAD)
        return QtCore.QSize(inner.width(), inner.height())

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self.HEAD

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        head = QtCore.QRect(0, 0, self.width(), self.HEAD - 4)
        painter.fillRect(head, self.palette().button())
        option = QtWidgets.QStyleOption()
        option.initFrom(self)
        option.rect = QtCore.QRect(5, 5, 10, 10)
        element = QtWidgets.QStyle.PrimitiveElement
        arrow = element.PE_IndicatorArrowRight if self._collapsed else element.PE_IndicatorArrowDown
        self.style().drawPrimitive(arrow, option, painter, self)
        painter.drawText(head.adjusted(22, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, self.text())


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of a scene by class."""

    currentNodeChanged = Signal(object)
    nodeAdded = Signal(object)
    SIGNALS: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._types: list[str] = []
        self._values: dict[str, Any] = {}
        self._scene: Any = None
        self._current = ""
        self._combo.currentIndexChanged.connect(self._chosen)

    def _named(name: str, kind: Any, start: Any) -> Any:  # type: ignore[misc]
        def read(self: Any) -> Any:
            return self._values.get(name, start)

        def write(self: Any, value: Any) -> None:
            self._values[name] = value
            self._refresh()

        return Property(kind, read, write)

    showChildNodeTypes = _named("showChildNodeTypes", bool, True)
    showHidden = _named("showHidden", bool, False)
    addEnabled = _named("addEnabled", bool, True)
    removeEnabled = _named("removeEnabled", bool, True)
    editEnabled = _named("editEnabled", bool, False)
    renameEnabled = _named("renameEnabled", bool, False)
    noneEnabled = _named("noneEnabled", bool, False)
    noneDisplay = _named("noneDisplay", str, "None")
    baseName = _named("baseName", str, "")

    def _set_types(self, value: list[str]) -> None:
        self._types = list(value)
        self._refresh()

    nodeTypes = Property("QStringList", lambda self: self._types, _set_types)

    def _set_current_id(self, node_id: str) -> None:
        self.setCurrentNodeID(node_id)

    currentNodeID = Property(str, lambda self: self._current, _set_current_id)

    def setMRMLScene(self, scene: Any) -> None:
        """Follow the scene's nodes."""
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            scene.AddObserver(event, lambda *_: self._refresh())
        self._refresh()

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        at = self._combo.findData(node_id or "")
        if at < 0 and node_id:
            self._refresh()
            at = self._combo.findData(node_id)
        self._combo.setCurrentIndex(at)
        self._chosen()

    def nodeCount(self) -> int:
        return len(self._nodes())

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes())]
        fits = (lambda n, t: n.IsA(t)) if self.showChildNodeTypes else (lambda n, t: n.GetClassName() == t)
        hidden = self.showHidden
        return [n for n in nodes if any(fits(n, t) for t in self._types) and (hidden or not n.GetHideFromEditors())]

    def _refresh(self) -> None:
        nodes = self._nodes()
        self._combo.blockSignals(True)
        self._combo.clear()
        if self.noneEnabled:
            self._combo.addItem(self.noneDisplay, "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
        at = self._combo.findData(self._current)
        # Slicer's box takes the first node where "none" is not a choice.
        self._combo.setCurrentIndex(at if at >= 0 else (0 if self._combo.count() else -1))
        self._combo.blockSignals(False)
        self._chosen()

    def _chosen(self, _index: int = 0) -> None:
        chosen = self._combo.currentData() or ""
        if chosen != self._current:
            self._current = chosen
            self.currentNodeChanged.emit(self.currentNode())
