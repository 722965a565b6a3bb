"""An EM volume and a model of instances: a click makes a segment of each, listed in its unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer

from Testing.core.tiny_em import brick_volume


def test_a_click_makes_a_segment_of_each_instance(host: Any, widget: Any, until: Callable[..., Any]) -> None:
    volume = brick_volume()
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Block")
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(np.swapaxes(volume.array, 0, 2)))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.affine))
    node.SetAttribute("DICOM.Modality", "EM")
    host.pending()
    widget.panel.parameters.model = "em-tiny"
    host.pending()
    widget.ui.segmentButton.click()
    until(host, lambda: not widget.panel.runBar.busy)
    tree = widget.ui.resultTree
    assert [tree.topLevelItem(n).text(1) for n in range(3)] == ["Neurite 1", "Neurite 2", "Neurite 3"]
    assert tree.topLevelItemCount == 12 and tree.topLevelItem(0).text(3).endswith(" µm³")
    assert widget.ui.messageLabel.text.startswith("12 of 12 structures found.")
    assert host.messages == []
