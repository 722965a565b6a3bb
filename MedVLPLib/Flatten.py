"""A segmentation node as the engine's Segmentation: one label array on the volume's grid, one row per segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from MedVLPLib.Labelmaps import BINARY, labelArray, layersOf
from MedVLPLib.Matrices import ijkToParent, parentToWorld, toVtk
from MedVLPLib.Tags import CONCEPT, MODEL, QUERY, SCORE, readNotFound, readNumber, readTag
from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.volume.segmentation import Code, Segment, Segmentation

ANATOMY: Code = ("SCT", "123037004", "Anatomical Structure")
TISSUE: Code = ("SCT", "85756007", "Tissue")
"""What a segment is called that nobody gave a term; Slicer's own choice."""


def referenceVolume(node: Any) -> Any:
    """The volume that a segmentation was made on.

    Raises:
        MedVLPError: it is not in the scene.
    """
    volumeNode = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    if volumeNode is None or volumeNode.GetImageData() is None:
        raise MedVLPError(
            _("The volume that '{name}' was made on is not in the scene.").format(name=node.GetName()),
            _("Load the volume and choose it as the source volume in the Segment Editor, or export .seg.nrrd."),
        )
    return volumeNode


def flatten(node: Any, inWorld: bool = True, volumeNode: Any = None, notOurs: bool = True) -> Segmentation:
    """All segments as one label array on the grid of the source volume, values 1, 2, 3 … in the order of the segments.

    Args:
        inWorld: the affine is index → world; otherwise index → the volume's own RAS, without transforms above it,
            which is where the volume's files lie.
        volumeNode: whose grid it is; None is the source volume.
        notOurs: note which segments MedVLP did not make.

    Raises:
        MedVLPError: two segments overlap, the source volume is missing, there are no segments, or a transform is not
            linear.
    """
    content = node.GetSegmentation()
    if content.GetNumberOfSegments() == 0 and not readNotFound(node):
        raise MedVLPError(_("'{name}' has no segments.").format(name=node.GetName()), _("Segment something first."))
    if content.GetNumberOfSegments() and not content.ContainsRepresentation(BINARY):
        content.CreateRepresentation(BINARY)
    volumeNode = volumeNode or referenceVolume(node)
    own = ijkToParent(volumeNode)
    toWorld = parentToWorld(volumeNode)
    segmentIds = content.GetSegmentIDs()
    labels = np.zeros(volumeNode.GetImageData().GetDimensions(), np.uint8 if len(segmentIds) < 256 else np.uint16, "F")
    # The node's space → the volume's own: identity where both are under the same transform.
    relation = np.linalg.inv(toWorld) @ parentToWorld(node)
    notes = []
    for image, byValue in layersOf(content):
        layer, start = _onGrid(node, image, labels.shape, own, relation)
        numbers = {value: segmentIds.index(segmentId) + 1 for value, segmentId in byValue.items()}
        if _paint(content, labels, layer, start, numbers):
            notes = [_("Parts of the segments lie outside the volume and are left out.")]
    notes += _strangers(content) if notOurs else []
    rows = _rows(content, labels, abs(float(np.linalg.det((toWorld @ own)[:3, :3]))) / 1000)
    missing = tuple(_lost(len(rows) + n, row) for n, row in enumerate(readNotFound(node), 1))
    model = node.GetAttribute(MODEL) or ""
    return Segmentation(labels, toWorld @ own if inWorld else own, (*rows, *missing), model, notes=tuple(notes))


def segmentMask(node: Any, segmentId: str, volumeNode: Any) -> NDArray[np.uint8]:
    """One segment on the grid of a volume, 1 inside: (I, J, K). Raises MedVLPError for a transform not linear."""
    content = node.GetSegmentation()
    if not content.ContainsRepresentation(BINARY):
        content.CreateRepresentation(BINARY)
    mask = np.zeros(volumeNode.GetImageData().GetDimensions(), np.uint8, "F")
    relation = np.linalg.inv(parentToWorld(volumeNode)) @ parentToWorld(node)
    for image, byValue in layersOf(content):
        numbers = {value: 1 for value, one in byValue.items() if one == segmentId}
        if numbers:
            layer, start = _onGrid(node, image, mask.shape, ijkToParent(volumeNode), relation)
            _paint(content, mask, layer, start, numbers)
    return mask


def _onGrid(
    node: Any, image: Any, shape: tuple[int, ...], grid: NDArray[np.float64], relation: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """One layer on the volume's grid, nearest voxel: its array, and the index of that array's first voxel."""
    reference = slicer.vtkOrientedImageData()
    reference.SetExtent(*(edge for size in shape for edge in (0, size - 1)))
    reference.SetGeometryFromImageToWorldMatrix(toVtk(grid))
    transform = None
    if not np.allclose(relation, np.eye(4), atol=1e-9):
        transform = vtk.vtkTransform()
        transform.SetMatrix(toVtk(relation))
    placed = slicer.vtkOrientedImageData()
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    # Padded: what reaches beyond the volume shall be noticed, not cut.
    if not resample(image, reference, placed, False, True, transform):
        raise MedVLPError(
            _("The segments of '{name}' could not be brought onto the grid of the volume.").format(name=node.GetName()),
            _("Export .seg.nrrd instead."),
        )
    return labelArray(placed)[0], np.array(placed.GetExtent()[::2])


def _paint(
    content: Any, labels: NDArray[Any], layer: NDArray[Any], start: NDArray[np.int64], numbers: dict[int, int]
) -> bool:
    """Enter one layer into `labels`, `numbers` for its label values; return whether some of it lies outside."""
    if layer.size == 0:
        return False
    table = np.zeros(max(int(layer.max()), *numbers) + 1, labels.dtype)
    for value, number in numbers.items():
        table[value] = number
    low = np.maximum(start, 0)
    high = np.maximum(np.minimum(start + layer.shape, labels.shape), low)
    here = labels[tuple(map(slice, low, high))]
    inside = layer[tuple(map(slice, low - start, high - start))]
    new = table[inside]
    both = (here != 0) & (new != 0)
    if both.any():
        pair = [content.GetNthSegment(int(n[both][0]) - 1).GetName() for n in (here, new)]
        raise MedVLPError(
            _("The segments '{first}' and '{second}' overlap, and this format holds one structure a voxel.").format(
                first=pair[0], second=pair[1]
            ),
            _("Export .seg.nrrd, which keeps overlaps, or remove the overlap in the Segment Editor."),
        )
    np.copyto(here, new, where=new != 0)
    return inside.size < layer.size and int(np.count_nonzero(table[layer])) > int(np.count_nonzero(new))


def _strangers(content: Any) -> list[str]:
    """Files have a score for every structure, and DICOM SEG calls all of them automatic: say for whom it is wrong."""
    segments = map(content.GetSegment, content.GetSegmentIDs())
    names = [segment.GetName() for segment in segments if readNumber(segment, SCORE) is None]
    if not names:
        return []
    return [
        _("Not made by MedVLP, and written as automatic with score 0: {names}.").format(names=", ".join(names)),
    ]


def _rows(content: Any, labels: NDArray[Any], voxelMl: float) -> list[Segment]:
    from vlp3d_core.volume.terminology import parse_terminology

    counts = np.zeros(content.GetNumberOfSegments() + 1, np.int64)
    for k in range(labels.shape[2]):  # slice by slice: bincount makes eight bytes of every voxel
        counts += np.bincount(labels[:, :, k].ravel(order="K"), minlength=counts.size)
    rows = []
    for number, segmentId in enumerate(content.GetSegmentIDs(), 1):
        segment = content.GetSegment(segmentId)
        category, kind, modifier = parse_terminology(readTag(segment, segment.GetTerminologyEntryTagName()))
        red, green, blue = (round(255 * channel) for channel in segment.GetColor())
        ours = readTag(segment, CONCEPT) if not readTag(segment, QUERY) else ""
        rows.append(
            Segment(
                number, ours or segmentId, segment.GetName(), (red, green, blue), category or ANATOMY, kind or TISSUE,
                modifier, readNumber(segment, SCORE) or 0.0, float(counts[number] * voxelMl), bool(counts[number]),
            )
        )  # fmt: skip
    return rows


def _lost(number: int, row: dict[str, Any]) -> Segment:
    """A structure that was looked for and not found: its value does not occur."""
    concept = concepts().get(row["concept"])
    red, green, blue = row.get("color") or (127, 127, 127)
    return Segment(
        number, row["concept"], row.get("name") or row["concept"], (red, green, blue),
        concept.category if concept else ANATOMY, concept.type if concept else TISSUE,
        concept.modifier if concept else None, float(row.get("score") or 0.0),
    )  # fmt: skip
