"""Slicer's choice of a segmentation and one of its segments, as its C++ source says it behaves."""

from __future__ import annotations

from typing import Any, ClassVar

import slicer
from PySide6 import QtCore, QtWidgets

from Testing.wiring.host.widgets import qMRMLNodeComboBox, qMRMLWidget


class qMRMLSegmentSelectorWidget(qMRMLWidget):
    """Takes the first segmentation and its first segment; the id of a segment that went away stays."""

    currentNodeChanged = QtCore.Signal(object)
    currentSegmentChanged = QtCore.Signal(str)
    SIGNALS: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentSegmentChanged(QString)": "currentSegmentChanged",
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._nodes, self._segments = qMRMLNodeComboBox(self), QtWidgets.QComboBox(self)
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._nodes)
        layout.addWidget(self._segments)
        self._segmentId, self._watched, self._tags = "", None, list[int]()
        self._nodes.currentNodeChanged.connect(self._on_node)
        self._segments.currentIndexChanged.connect(self._on_segment)

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._nodes.setMRMLScene(scene)

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def currentSegmentID(self) -> str:
        return self._segmentId

    def setCurrentSegmentID(self, segment_id: str) -> None:
        at = self._segments.findData(segment_id)
        if at >= 0:
            self._segments.setCurrentIndex(at)

    def _on_node(self, node: Any) -> None:
        for tag in self._tags:
            self._watched.RemoveObserver(tag)
        events = (slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved)
        self._tags = [node.AddObserver(event, lambda *_: self._populate()) for event in events] if node else []
        self._watched = node
        self._populate()
        self.currentNodeChanged.emit(node)

    def _populate(self) -> None:
        self._segments.blockSignals(True)
        self._segments.clear()
        content = self._watched.GetSegmentation() if self._watched else None
        for segment_id in content.GetSegmentIDs() if content else ():
            self._segments.addItem(content.GetSegment(segment_id).GetName(), segment_id)
        self._segments.setCurrentIndex(self._segments.findData(self._segmentId))
        self._segments.blockSignals(False)
        if self._segments.currentIndex() < 0 and self._segments.count():
            self._segments.setCurrentIndex(0)

    def _on_segment(self, index: int) -> None:
        self._segmentId = self._segments.itemData(index) or ""
        self.currentSegmentChanged.emit(self._segmentId)
