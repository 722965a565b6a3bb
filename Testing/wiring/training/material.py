"""Heads to train on, as files and as nodes; and hands for the panel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import slicer

from Testing.core.tiny import toy_grid, toy_labels
from Testing.slicer.results import segmentation_of
from vlp3d_core.train.manifest import Case

PATIENCE = 300.0
NAMES = ["trachea", "parotid_gland_left", "parotid_gland_right", "brainstem", "spinal_cord", "mandible", "skull"]


def until(host: Any, condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain; the panel says {host.widget.ui.messageLabel.text!r}"
        host.pending()
        time.sleep(0.01)
    host.pending()


def rest(host: Any) -> None:
    """Wait until nothing is under way."""
    host.pending()
    until(host, lambda: not host.widget.panel.work.busy)


def shown(widget: Any) -> bool:
    return bool(widget.isVisibleTo(widget.parentWidget()))


def choose(box: Any, name: str) -> None:
    box.setCurrentIndex(box.findData(name))


def field(host: Any, name: str) -> Any:
    """The widget of a setting."""
    return host.widget.panel.method.settings.widgets[name]


def voxels_of(labels: Any, name: str) -> Any:
    """An image on which the labels could have been drawn; another name, other noise."""
    noise = np.random.default_rng(list(name.encode())).normal(0, 3, labels.shape)
    return (labels * 100.0 + noise).astype(np.int16)


def write_head(folder: Path, name: str, word: str = "ct", scale: float = 1.0) -> Case:
    """The toy head's labels as an image and a label map; a scale of 0.01 makes values that nobody takes for HU."""
    labels = toy_labels(toy_grid())
    image, label = folder / f"{name}_{word}.nii", folder / f"{name}_seg.nii.gz"
    nib.save(nib.Nifti1Image((voxels_of(labels, name) * scale).astype(np.float32), toy_grid().affine), image)
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), toy_grid().affine), label)
    return Case(image, name, "train", label, dict(enumerate(NAMES, 1)), modality="CT")


def add_head(host: Any, name: str, rename: str = "") -> tuple[Any, Any]:
    """The toy head as a volume and a segmentation of the scene."""
    from MedVLPLib.Volumes import volumeFromNode
    from MedVLPSegmentLib.Segments import addSegmentation

    labels = toy_labels(toy_grid())
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(np.swapaxes(voxels_of(labels, name), 0, 2)))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(toy_grid().affine))
    node.SetAttribute("DICOM.Modality", "CT")
    made = segmentation_of(volumeFromNode(node), labels, NAMES)
    segmentation = addSegmentation(made, node, surfaces=False).node
    if rename:
        content = segmentation.GetSegmentation()
        for number, segment_id in enumerate(content.GetSegmentIDs()):
            content.GetSegment(segment_id).SetName(f"{rename} {number}")
            content.GetSegment(segment_id).RemoveTag("MedVLP.Concept")
    host.pending()
    return node, segmentation
