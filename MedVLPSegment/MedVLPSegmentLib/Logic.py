"""From volume nodes to segments and regions through the worker process. No Qt: a script, a test or a panel polls it.

Nodes are looked up again by id when a result arrives: until then the scene may have been closed, the volume removed,
renamed, moved or edited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import slicer

from MedVLPLib.Matrices import ijkToWorld
from MedVLPLib.Texts import _
from MedVLPLib.Volumes import checkVolumeNode, contentKey, volumeFromNode
from MedVLPSegmentLib import Regions
from MedVLPSegmentLib.Example import Example
from MedVLPSegmentLib.Rois import boxFromRoi, roiNote
from MedVLPSegmentLib.Run import Run
from MedVLPSegmentLib.Runs import Runs, cancelled
from MedVLPSegmentLib.SceneWatch import SceneWatch
from MedVLPSegmentLib.Segments import AddedSegments, addSegmentation
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.client import Worker
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume

Callback = Callable[[Run], None] | None


class SegmentLogic:
    """Starts runs, moves them on, and brings their results into the scene.

    Args:
        worker: the client of the worker process; None makes one with this interpreter when it is first needed.
        scene: None is `slicer.mrmlScene`.
    """

    def __init__(self, worker: Worker | None = None, scene: Any = None) -> None:
        self._worker = worker
        self._scene = scene or slicer.mrmlScene
        self._runs = Runs()
        self._volume: tuple[str, Volume] | None = None
        self._scenes = 0  # closed so far: a new scene gives the old ids to other nodes
        self._watch = SceneWatch(self._scene, self._sceneCloses, self._nodeLeaves)

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            self._worker = Worker()
        return self._worker

    @property
    def runs(self) -> tuple[Run, ...]:
        """What waits or runs, oldest first."""
        return self._runs.all

    def hello(self, onEnd: Callback = None) -> Run:
        """Versions, devices and free memory of the worker."""
        return self._begin(Run("hello", onEnd=onEnd), self.worker.hello())

    def models(self, onEnd: Callback = None) -> Run:
        """The models that there are, as a list of dicts."""
        return self._begin(Run("models", onEnd=onEnd), self.worker.models())

    def choose(self, volumeNode: Any, *, device: str = "auto", onEnd: Callback = None) -> Run:
        """The installed model that fits a volume by what it shows: a dict of "model" and "reason"."""
        volume, key = self._volumeOf(volumeNode)
        run = Run("choose", volumeNode, {"device": device}, onEnd=onEnd)
        return self._begin(run, self.worker.choose(volume, device=device, key=key))

    def estimate(
        self, volumeNode: Any, *, model: str | None = None, roiNode: Any = None, device: str = "auto",
        tile: int | None = None, onEnd: Callback = None,
    ) -> Run:  # fmt: skip
        """Memory and seconds that `segment` would need, as a dict. Raises what `segment` raises at once."""
        volume, key = self._volumeOf(volumeNode)
        roi = boxFromRoi(roiNode) if roiNode else None
        job = self.worker.estimate(volume, model=model, device=device, tile=tile, roi=roi, key=key)
        return self._begin(Run("estimate", volumeNode, {"model": model, "roi": roi}, onEnd=onEnd), job)

    def encode(
        self, volumeNode: Any, *, model: str | None = None, device: str = "auto", tile: int | None = None,
        onProgress: Callback = None, onEnd: Callback = None,
    ) -> Run:  # fmt: skip
        """Look at the volume once, so that every `find` after that answers at once."""
        run = Run("encode", volumeNode, {"model": model, "device": device, "tile": tile}, onProgress, onEnd)
        self._runs.refuseTwice(run)
        volume, key = self._volumeOf(volumeNode)
        return self._begin(run, self.worker.encode(volume, model=model, device=device, tile=tile, key=key))

    def segment(
        self,
        volumeNode: Any,
        structures: Sequence[str] | None = None,
        *,
        model: str | None = None,
        roiNode: Any = None,
        segmentationNode: Any = None,
        name: str | None = None,
        surfaces: bool = True,
        device: str = "auto",
        tile: int | None = None,
        onProgress: Callback = None,
        onEnd: Callback = None,
    ) -> Run:
        """Segment structures of a volume; the run's result is an `AddedSegments`.

        Args:
            structures: concept ids, names or texts; None is all that the model knows.
            roiNode: only inside this box.
            segmentationNode: add to this node; None makes a new one, called `name`.
            surfaces: make closed surfaces, too.

        Raises:
            MedVLPError: the volume or the ROI cannot be used, or the same run is waiting or running already. A run for
                another volume, or for something else, waits its turn.
        """
        roi = boxFromRoi(roiNode) if roiNode else None
        target = segmentationNode.GetID() if segmentationNode else ""
        wanted = None if structures is None else tuple(structures)
        request = {"structures": wanted, "model": model, "roi": roi, "target": target, "device": device, "tile": tile}
        run = Run("segment", volumeNode, request, onProgress, onEnd)
        self._runs.refuseTwice(run)
        volume, key = self._volumeOf(volumeNode)
        note = roiNote(roiNode) if roiNode else ""
        run.notes = (*volume.source.notes, *([note] if note else []))
        run.finish = lambda run, result: self._addSegments(run, result, target, name, surfaces)
        job = self.worker.segment(
            volume, None if wanted is None else list(wanted), model=model, roi=roi, device=device, tile=tile, key=key
        )
        return self._begin(run, job)

    def find(
        self, volumeNode: Any, text: str, *, k: int = 5, model: str | None = None, device: str = "auto",
        tile: int | None = None, onProgress: Callback = None, onEnd: Callback = None,
    ) -> Run:  # fmt: skip
        """Search regions by text; the run's result is a `Found`. Raises as `segment` does."""
        request = {"text": text, "k": k, "model": model, "device": device, "tile": tile}
        run = Run("find", volumeNode, request, onProgress, onEnd)
        self._runs.refuseTwice(run)
        volume, key = self._volumeOf(volumeNode)
        return self._begin(run, self.worker.find(volume, text, k=k, model=model, device=device, tile=tile, key=key))

    def findAlike(
        self, volumeNode: Any, segmentationNode: Any, segmentId: str, *, k: int = 5, model: str | None = None,
        device: str = "auto", tile: int | None = None, onProgress: Callback = None, onEnd: Callback = None,
    ) -> Run:  # fmt: skip
        """Search what looks like a segment, of this volume or of another one in the scene; otherwise as `find`."""
        example = Example(segmentationNode, segmentId)
        shown = (segmentationNode.GetID(), segmentId)
        how = {"model": model, "device": device, "tile": tile}
        run = Run(
            "find", volumeNode, {"text": f"like {example.name}", "example": shown, "k": k, **how}, onProgress, onEnd
        )
        self._runs.refuseTwice(run)
        volume, key = self._volumeOf(volumeNode)
        # Another volume goes there for this once: the worker keeps the one that is searched, with what it knows of it.
        same = example.volumeNode is volumeNode
        seen, seenKey = (volume, key) if same else (volumeFromNode(example.volumeNode), "")
        run.then = lambda likeness: self.worker.find(volume, like=likeness, k=k, key=key, **how)
        return self._begin(run, self.worker.likeness(seen, example.mask(), example.name, key=seenKey, **how))

    def showRegion(self, run: Run, region: Any) -> Any:
        """Show one of `run.result.regions` as the preview; return its node.

        Raises:
            MedVLPError: the volume is gone, or is another one by now.
        """
        return Regions.showRegion(region, self._volumeNode(run), run.grid)

    def jumpToRegion(self, run: Run, region: Any) -> None:
        """Centre the slice views on a found region, where the volume is shown now."""
        centre = np.append(region.centre, 1.0)
        if run.grid is not None:
            centre = ijkToWorld(self._volumeNode(run)) @ np.linalg.solve(run.grid, centre)
        Regions.jumpTo((float(centre[0]), float(centre[1]), float(centre[2])), self._scene)

    def keepRegion(self, run: Run, region: Any, segmentationNode: Any = None) -> AddedSegments:
        """Make a found region a segment of the chosen node, or of the volume's results."""
        model, query = run.request.get("model") or "", run.request["text"]
        return Regions.keepRegion(region, self._volumeNode(run), segmentationNode, model, query, run.grid)

    def clearPreview(self) -> None:
        """Remove what `showRegion` shows."""
        Regions.clearPreview(self._scene)

    def cancel(self, run: Run) -> None:
        """Stop a run; it ends as "cancelled" within about a second, from `poll`."""
        self._runs.stop(run, cancelled(), self.worker)

    def cancelAll(self) -> None:
        """Stop whatever waits or runs."""
        for run in self.runs:
            self.cancel(run)

    def poll(self) -> None:
        """Deliver what the worker has said meanwhile; call it about every 50 ms. Callbacks run inside."""
        if self._worker is not None:
            self._worker.poll()

    def wait(self, run: Run, timeout: float | None = None) -> Any:
        """For scripts: poll until the run ends; return its result.

        Raises:
            MedVLPError: the run failed or was cancelled.
            TimeoutError: it has not ended after `timeout` seconds; it goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not run.ended:
            self.poll()
            if run.ended:
                break
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{run.kind} has not ended after {timeout} s")
            time.sleep(0.002)
        if run.error is not None:
            raise run.error
        return run.result

    def close(self) -> None:
        """Stop everything, end the worker process, let go of the scene. The logic cannot be used after that."""
        self._watch.end()
        self._volume = None
        if self._worker is not None:
            self._worker.close()
        self._runs.endAll()

    def _volumeOf(self, volumeNode: Any) -> tuple[Volume, str]:
        """The node's volume and its key; the last one is kept, so that typing a query does not look at voxels again."""
        checkVolumeNode(volumeNode)
        key = contentKey(volumeNode)
        if self._volume is None or self._volume[0] != key:
            self._volume = key, volumeFromNode(volumeNode)
        return self._volume[1], key

    def _begin(self, run: Run, job: Any) -> Run:
        run.stop, run.scene = self.cancel, self._scenes
        if run.volumeId:
            run.grid = ijkToWorld(self._scene.GetNodeByID(run.volumeId))
        return self._runs.begin(run, job)

    def _addSegments(
        self, run: Run, segmentation: Segmentation, target: str, name: str | None, surfaces: bool
    ) -> AddedSegments:
        volumeNode = self._volumeNode(run)
        notes = [*run.notes, *(note for note in segmentation.notes if note not in run.notes)]
        if tuple(volumeNode.GetImageData().GetDimensions()) != segmentation.labels.shape:
            raise MedVLPError(
                _("The voxels of '{name}' were replaced while it was segmented.").format(name=volumeNode.GetName()),
                _("Start again."),
            )
        chosen = self._scene.GetNodeByID(target) if target else None
        if target and chosen is None:
            notes.append(_("The chosen segmentation was removed meanwhile: the result is in a new one."))
        # Labels belong to voxels: where the volume was moved meanwhile, they move with it.
        segmentation = replace(segmentation, affine=ijkToWorld(volumeNode), notes=tuple(notes))
        return addSegmentation(segmentation, volumeNode, chosen, name, surfaces)

    def _volumeNode(self, run: Run) -> Any:
        node = self._scene.GetNodeByID(run.volumeId) if run.scene == self._scenes else None
        if node is None or node.GetImageData() is None:
            raise self._gone(run)
        return node

    def _gone(self, run: Run) -> MedVLPError:
        cause = _("The volume '{name}' was removed from the scene.").format(name=run.volumeName)
        return MedVLPError(cause, _("Load it again, or choose another."))

    def _sceneCloses(self) -> None:
        self._scenes += 1
        self._volume = None
        closed = MedVLPError(_("The scene was closed."), _("Load a volume and start again."))
        for run in self.runs:
            if run.volumeId:
                self._runs.stop(run, closed, self.worker)

    def _nodeLeaves(self, nodeId: str) -> None:
        if self._volume is not None and self._volume[0].startswith(f"{nodeId}-"):
            self._volume = None
        for run in self.runs:
            if run.volumeId == nodeId:
                self._runs.stop(run, self._gone(run), self.worker)
