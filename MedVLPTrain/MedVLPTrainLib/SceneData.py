"""Volumes and segmentations of a scene as training data: image files, label maps with names, a manifest.

Everything lies in world coordinates, with all linear transforms above a node applied: voxels are copied, not resampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np

from MedVLPLib.Flatten import flatten
from MedVLPLib.Modality import modalityOf
from MedVLPLib.Texts import _
from MedVLPLib.Volumes import volumeFromNode
from MedVLPTrainLib.FileNames import fileName
from MedVLPTrainLib.ScenePairs import Pair, patientOf, segmentConcepts
from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import with_splits
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.segmentation import Segment, Segmentation

IMAGES, LABELS, MANIFEST = "images", "labels", "manifest.jsonl"


@dataclass(frozen=True)
class Written:
    """A manifest that was written, and what the user should know of it."""

    manifest: Path
    cases: tuple[Case, ...]
    notes: tuple[str, ...]


class SceneWriter:
    """Writes pairs one after the other, so that a panel can show how far it is and stop between two.

    Args:
        scene: a vtkMRMLScene.
        pairs: what to write.
        folder: where; it is made. An earlier data set of the same names is replaced.
        modality: of those that do not say it themselves; "" for a careful guess.

    Raises:
        MedVLPError: nothing to write, or a folder that cannot be made.
    """

    def __init__(self, scene: Any, pairs: Sequence[Pair], folder: Path, seed: int = 0, modality: str = "") -> None:
        if not pairs:
            raise MedVLPError(_("No volume is chosen."), _("Check at least one volume of the list."))
        self.pairs, self.folder = tuple(pairs), folder
        self._scene, self._seed, self._modality = scene, seed, modality
        self._cases: list[Case] = []
        self._notes: dict[str, list[str]] = {}  # each with the volumes that it is about
        self._names: list[str] = []
        try:
            for name in (IMAGES, LABELS):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedVLPError(
                _("The folder {folder} cannot be made: {reason}.").format(folder=folder, reason=error.strerror),
                _("Choose another folder."),
            ) from error

    def __iter__(self) -> Iterator[str]:
        """Write one pair at each step; gives the volume's name."""
        for pair in self.pairs:
            yield self._write(pair)

    def finish(self) -> Written:
        """Write the manifest of all that was written."""
        cases = with_splits(self._cases, self._seed)
        write_manifest(cases, self.folder / MANIFEST)
        return Written(self.folder / MANIFEST, tuple(cases), tuple(starmap(_noted, self._notes.items())))

    def _write(self, pair: Pair) -> str:
        from vlp3d_core.volume.write_nifti import write_exact, write_nifti

        volumeNode = self._scene.GetNodeByID(pair.volumeId)
        node = self._scene.GetNodeByID(pair.segmentationId) if pair.segmentationId else None
        if volumeNode is None or (pair.segmentationId and node is None):
            raise MedVLPError(_("A chosen node was removed from the scene meanwhile."), _("Start again."))
        name = fileName(volumeNode.GetName(), self._names)
        volume = volumeFromNode(volumeNode)
        labels = namedLabels(node, volumeNode) if node is not None else None
        # Not compressed: that would take seconds for each, on the thread that draws Slicer's window.
        image, label = Path(IMAGES, f"{name}.nii"), Path(LABELS, f"{name}.nii.gz")
        write_exact(volume, self.folder / image)
        if labels is not None:
            write_nifti(labels, self.folder / label)
        self._names.append(name)
        for note in (*volume.source.notes, *(labels.notes if labels else ())):
            self._notes.setdefault(note, []).append(volumeNode.GetName())
        self._cases.append(
            Case(
                image,
                patientOf(volumeNode) or name,
                "train",
                label if labels is not None else None,
                {row.value: row.concept for row in labels.segments} if labels is not None else {},
                modality=modalityOf(volumeNode) or self._modality or volume.modality,
            )
        )
        return str(volumeNode.GetName())


def writeScene(scene: Any, pairs: Sequence[Pair], folder: Path, seed: int = 0, modality: str = "") -> Written:
    """For scripts: write everything at once.

    Raises:
        MedVLPError: nothing to write, a volume or segmentation that cannot be used, or a folder that is full.
    """
    writer = SceneWriter(scene, pairs, folder, seed, modality)
    for _name in writer:
        pass
    return writer.finish()


def namedLabels(segmentationNode: Any, volumeNode: Any) -> Segmentation:
    """The segments whose names are known, on the volume's grid; segments of the same meaning become one.

    Raises:
        MedVLPError: no segment has a known name and a voxel, two segments overlap, or there are no segments.
    """
    flat = flatten(segmentationNode, volumeNode=volumeNode, notOurs=False)
    meant = list(segmentConcepts(segmentationNode))
    rows: dict[str, Segment] = {}
    table = np.zeros(len(flat.segments) + 1, flat.labels.dtype)
    for row, (_name, concept) in zip(flat.segments, meant, strict=False):  # what was not found stands behind
        if concept and row.found:
            known = rows.setdefault(concept, replace(row, value=len(rows) + 1, concept=concept))
            table[row.value] = known.value
    name = segmentationNode.GetName()
    if not rows:
        raise MedVLPError(
            _("No segment of '{name}' has voxels and a name that is known: {segments}.").format(
                name=name, segments=", ".join(segment for segment, _concept in meant)
            ),
            _("Rename the segments in the Segment Editor, for example 'Liver' or 'Left kidney'."),
        )
    notes = list(flat.notes)
    if unknown := [segment for segment, concept in meant if not concept]:
        notes.append(_("Left out, because the names are not known: {segments}.").format(segments=", ".join(unknown)))
    return replace(flat, labels=table[flat.labels], segments=tuple(rows.values()), notes=tuple(notes))


def _noted(note: str, volumes: list[str]) -> str:
    """A note with what it is about."""
    if len(volumes) == 1:
        return _("{volume}: {note}").format(volume=volumes[0], note=note)
    text = _("{count} volumes: {note} For example {volume}.")
    return text.format(count=len(volumes), note=note, volume=volumes[0])
