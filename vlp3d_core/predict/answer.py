"""The one pass over a volume, and what it leaves behind: an answer for every structure that the model knows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from vlp3d_core.model.bundle import AFFINITIES, Bundle
from vlp3d_core.model.devices import Device
from vlp3d_core.model.estimate import Network, plan
from vlp3d_core.model.field import Anchor, field_score, shows_field
from vlp3d_core.predict.decide import Decider
from vlp3d_core.predict.encode import HALO, embedded_tiles, grid_for, is_finer, prepare
from vlp3d_core.predict.instances import Affinities, Instances
from vlp3d_core.predict.postprocess import Labels, count_labels, postprocess
from vlp3d_core.predict.tiles import smallest_tile
from vlp3d_core.progress import Cancel, Progress, Tick, check, silent_tick, ticking
from vlp3d_core.volume.foreground import Slices
from vlp3d_core.volume.grid import Box, Grid, nearest_axes
from vlp3d_core.volume.volume import Volume

ONLY_AIR = "The volume shows nothing but air or a single value: nothing is reported."
OUT_OF_FIELD = "The volume does not seem to show what {title} was trained on ({anchors}): nothing is reported."
OTHER_SPACING = (
    "The voxels ({own}) are more than {times:g} times larger or smaller than those that the model was trained on "
    "({trained}): expect a worse result."
)
FAR = 2.0
NO_MODALITY = "The file does not say its modality; it was taken for {modality}."


@dataclass(frozen=True)
class Ready:
    """A bundle on a device, ready to run.

    Attributes:
        queries: (K, D + 1), one per concept of the bundle, float32 on the device; None with a model of affinities.
    """

    bundle: Bundle
    network: Network
    device: Device
    queries: Tensor | None


@dataclass(frozen=True)
class Encoded:
    """A volume after its one pass through the network. Two bytes per voxel of the model grid answer any query.

    A structure has one label, or one for each of its instances.

    Voxel embeddings meet the queries of all structures while their tile is in memory and are dropped then; what is
    kept is the structure that won and its probability, so that `find` and `segment` cannot disagree, and its lead where
    the volume is finer than the grid.

    Attributes:
        volume: what was encoded.
        grid: model grid of the labels, cut to what is not air.
        labels: cleaned, 0 or 1 + index in `meanings`; all 0 when the volume is out of the model's field.
        certainty: uint8, 255 × the probability of the label, calibrated where the card has a temperature; of an
            instance: that neighbours belong together; of a border: that they do not.
        meanings: the concept of each label: those of the bundle, or one of them for every instance, the largest first.
        peak: (K,) the highest probability of each concept anywhere, likewise.
        anchors: those of the bundle that were found, also in a volume that is out of the model's field.
        field_score: how sure it is that the volume shows the model's field, 0 to 1, see `model.field`.
        notes: what the user should know.
        report: facts of the run, ready for JSON: device, tile, seconds per stage, memory that was planned with.
        instances: every label is an instance, of one and the same concept.
        layers: answers of their own for concepts that lie on top of these labels, by concept.
        lead: how far each label is ahead of the next one, see `Decider`, for borders between the voxels of the grid;
            None where the volume's are no finer.
    """

    volume: Volume
    grid: Grid
    labels: Labels
    certainty: NDArray[np.uint8]
    meanings: tuple[str, ...]
    peak: NDArray[np.float32]
    notes: tuple[str, ...]
    report: dict[str, Any]
    anchors: tuple[Anchor, ...] = ()
    field_score: float = 0.0
    instances: bool = False
    layers: Mapping[str, Encoded] = field(default_factory=dict)
    lead: NDArray[np.float16] | None = None

    @cached_property
    def boxes(self) -> tuple[Slices | None, ...]:
        """Where each label lies on the grid, None where it is nowhere; looked up once for all queries."""
        return tuple(ndimage.find_objects(self.labels, max_label=len(self.meanings)))

    def labels_of(self, concept: str) -> tuple[int, ...]:
        """The label of a concept, or those of its instances."""
        return tuple(value for value, meaning in enumerate(self.meanings, 1) if meaning == concept)

    def answer_for(self, concept: str) -> Encoded:
        """What holds a concept: this answer, or a layer on top of it."""
        return self.layers.get(concept, self)

    def on(self, volume: Volume) -> Encoded:
        """The same without a hold on the array that was encoded: the volume in another number format, say."""
        return replace(self, volume=volume, layers={name: one.on(volume) for name, one in self.layers.items()})


def encode_volume(
    ready: Ready, volume: Volume, roi: Box | None, tile: int | None, progress: Progress, cancel: Cancel
) -> Encoded:
    """One pass: prepare, network and decision tile by tile, clean-up; see `LoadedModel.segment`."""
    bundle, watch = ready.bundle, Stopwatch()
    check(cancel)
    progress("preparing", 0.0)
    grid = grid_for(bundle, volume, roi)
    least, size = smallest_tile(HALO, ready.network.stride), 4 * volume.array.size
    needed = plan(ready.network, ready.device, grid.shape, least, size, tile)  # with air: too large is said now
    report: dict[str, Any] = {"device": str(ready.device), "seconds": watch.seconds}
    notes = list(volume.source.notes)
    notes += _other_spacing(bundle, volume)
    if not volume.modality:
        notes.append(NO_MODALITY.format(modality=bundle.card["modality"]))
    prepared = prepare(bundle, volume, grid, cancel)
    watch.lap("prepare")
    progress("preparing", 1.0)
    if prepared is None:
        empty = _settled(ready, _collector(ready, (1, 1, 1), False), grid, None)
        return empty.encoded(volume, grid, (*notes, ONLY_AIR), report)
    needed = plan(ready.network, ready.device, prepared.image.shape, least, size, tile)
    report |= {"tile": list(needed.tile), "memory_bytes": needed.memory_bytes}
    if needed.reduced:
        notes.append(needed.note())
    collector = _collector(ready, prepared.image.shape, is_finer(volume, bundle.spacing))
    for piece, embeddings in embedded_tiles(ready.network, ready.device, prepared.image, needed.tile, progress, cancel):
        watch.lap("network")
        collector.add(embeddings, piece.core)
        del embeddings
        watch.lap("decide")
    watch.lap("network")
    made = _settled(ready, collector, prepared.grid, roi, ticking("cleaning", progress, cancel))
    watch.lap("clean")
    progress("cleaning", 1.0)
    check(cancel)
    notes += made.notes
    report["field_score"] = round(made.field_score, 4)
    return made.encoded(volume, prepared.grid, tuple(notes), report)


@dataclass(frozen=True)
class _Settled:
    """What all tiles together say; see `Encoded`."""

    labels: Labels
    certainty: NDArray[np.uint8]
    meanings: tuple[str, ...]
    peak: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    field_score: float = 1.0
    instances: bool = False
    layers: Mapping[str, _Settled] = field(default_factory=dict)
    lead: NDArray[np.float16] | None = None

    def encoded(self, volume: Volume, grid: Grid, notes: tuple[str, ...], report: dict[str, Any]) -> Encoded:
        """As an answer for a volume."""
        layers = {name: one.encoded(volume, grid, notes, report) for name, one in self.layers.items()}
        return Encoded(
            volume,
            grid,
            self.labels,
            self.certainty,
            self.meanings,
            self.peak,
            notes,
            report,
            self.anchors,
            self.field_score,
            self.instances,
            layers,
            self.lead,
        )


def _collector(ready: Ready, shape: tuple[int, ...], finer: bool) -> Decider | Affinities:
    """What takes the embeddings of the tiles."""
    if ready.queries is None:
        return Affinities(shape)
    return Decider(ready.queries, shape, ready.bundle.temperature, finer)


def _settled(
    ready: Ready, collector: Decider | Affinities, grid: Grid, roi: Box | None, tick: Tick = silent_tick
) -> _Settled:
    bundle = ready.bundle
    if isinstance(collector, Affinities):
        return _settled_instances(bundle.concepts, collector.instances(bundle.card["instances"], tick))
    notes: tuple[str, ...] = ()
    clean(collector.labels, bundle, grid, tick)
    anchors = anchors_of(bundle, collector.labels, collector.certainty, grid)
    score = field_score(bundle.card["field"], anchors, grid)
    # A ROI may well leave the anchors out; whoever draws one knows what the volume shows.
    if roi is None and not shows_field(bundle.card["field"], score):
        collector.labels[:] = 0
        notes = (_out_of_field(bundle),)
    peak, lead = _peak(collector), collector.lead
    return _Settled(collector.labels, collector.certainty, bundle.concepts, peak, notes, anchors, score, lead=lead)


def _settled_instances(concepts: tuple[str, ...], made: Instances) -> _Settled:
    """Instances of the first concept, and what lies between them as a layer where it is a second one: a voxel of a
    border belongs to an instance as well."""
    concept, *border = concepts
    peak = np.array([certainty.max() / 255 for certainty in (made.certainty, made.border_certainty)], np.float32)
    layers = {
        name: _Settled(made.border * np.uint8(value), made.border_certainty, concepts, peak)
        for value, name in enumerate(border, 2)
    }
    meanings = (concept,) * int(made.labels.max())
    return _Settled(made.labels, made.certainty, meanings, peak, instances=True, layers=layers)


def _other_spacing(bundle: Bundle, volume: Volume) -> list[str]:
    """A note where instances, which one has to see in detail, are looked for in voxels of quite another size."""
    own = np.array(volume.spacing)[list(nearest_axes(volume.affine))]
    ratio = own / bundle.spacing
    if bundle.kind != AFFINITIES or max(ratio.max(), 1 / ratio.min()) <= FAR:
        return []
    sizes = (" x ".join(f"{1e6 * mm:.3g}" for mm in spacing) + " nm" for spacing in (own, bundle.spacing))
    return [OTHER_SPACING.format(own=next(sizes), trained=next(sizes), times=FAR)]


def clean(labels: Labels, bundle: Bundle, grid: Grid, tick: Tick = silent_tick) -> None:
    """Post-process in place, by the rules in the bundle's card."""
    names, rules = bundle.concepts, bundle.card["concepts"]
    postprocess(labels, rules, _twins(bundle), grid.spacing[0], tick)
    counts = count_labels(labels, len(names))
    for value, rule in enumerate(rules, 1):
        if 0 < counts[value] * grid.voxel_ml < rule.get("min_ml", 0.0):
            labels[labels == value] = 0


def anchors_of(bundle: Bundle, labels: Labels, certainty: NDArray[np.uint8], grid: Grid) -> tuple[Anchor, ...]:
    """The anchors of a model that were found in a volume."""
    boxes = ndimage.find_objects(labels, max_label=len(bundle.concepts))
    found = []
    for name in bundle.card["field"]["anchors"]:
        value = 1 + bundle.concepts.index(name)
        box = boxes[value - 1]
        if box is None:
            continue
        inside = labels[box] == value
        index = np.array(ndimage.center_of_mass(inside)) + [s.start for s in box]
        r, a, s = (grid.affine[:3, :3] @ index + grid.affine[:3, 3]).tolist()
        score = float(certainty[box][inside].mean()) / 255
        found.append(Anchor(name, score, float(inside.sum()) * grid.voxel_ml, (r, a, s)))
    return tuple(found)


def _out_of_field(bundle: Bundle) -> str:
    names = [bundle.structures[a].name.lower() for a in bundle.card["field"]["anchors"]]
    return OUT_OF_FIELD.format(title=bundle.card["title"], anchors=", ".join(names))


def _twins(bundle: Bundle) -> Mapping[int, int]:
    """Value of each left structure → value of the same structure on the right."""
    names, known, out = bundle.concepts, bundle.structures, {}
    for value, name in enumerate(names, 1):
        twin = name.replace("left", "right")
        if known[name].side == "left" and twin in names:
            out[value] = names.index(twin) + 1
    return out


def _peak(decider: Decider) -> NDArray[np.float32]:
    peak: NDArray[np.float32] = decider.probability(decider.peak).cpu().numpy()
    return peak


@dataclass
class Stopwatch:
    """Seconds per stage, for the report of a run."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self._last, 3)
        self._last = now
