"""A model in memory: `load_model("ct-head-neck").segment(volume)`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.affinity_model import load_affinities
from vlp3d_core.model.bundle import AFFINITIES, Bundle, load_network, verified_weights
from vlp3d_core.model.closed_set import load_closed_set, queries_of
from vlp3d_core.model.devices import choose_device
from vlp3d_core.model.estimate import Estimate, plan, probe
from vlp3d_core.model.networks import CLOSED_SET
from vlp3d_core.model.registry import find_bundle
from vlp3d_core.predict.answer import Encoded, Ready, encode_volume
from vlp3d_core.predict.asked import asked_structures
from vlp3d_core.predict.encode import HALO, grid_for
from vlp3d_core.predict.find import Regions, find_regions
from vlp3d_core.predict.like import Likeness, find_alike, likenesses
from vlp3d_core.predict.segment import segmentation_of
from vlp3d_core.predict.tiles import cut_tiles, smallest_tile
from vlp3d_core.progress import Cancel, Progress, check, never, silent, ticking
from vlp3d_core.volume.grid import Box
from vlp3d_core.volume.modality import EM_SPACING_MM, cannot_be_ct, must_be_ct
from vlp3d_core.volume.segmentation import Segmentation
from vlp3d_core.volume.volume import Volume


class LoadedModel:
    """A bundle whose weights are verified, loaded and on a device. Made by `load_model`."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready

    @property
    def bundle(self) -> Bundle:
        return self.ready.bundle

    def structures(self, texts: Iterable[str] | str | None) -> tuple[str, ...]:
        """Concept ids for ids, names or texts, each of them a list if need be; None is all of the model's.

        Raises:
            UsageError: a text is unknown or names something that the model was not trained on; it names suggestions.
        """
        names = self.bundle.concepts
        if texts is None:
            return names
        several = [texts] if isinstance(texts, str) else list(texts)
        if several and all(text in names for text in several):
            return tuple(dict.fromkeys(several))  # ids mean themselves; reading many as prose takes a while
        wanted = [concept for text in several for concept in asked_structures(text, self.bundle)]
        if not wanted:
            raise UsageError("No structure was named.", f"{self.bundle.name} knows: {', '.join(names)}.")
        return tuple(dict.fromkeys(wanted))

    def estimate(self, volume: Volume, tile: int | None = None, roi: Box | None = None) -> Estimate:
        """Memory and time that `segment` needs at most for this volume (air is skipped, so it may need less).

        Raises:
            MedVLPError: wrong modality, or it does not fit into memory.
            UsageError: a ROI outside the volume.
        """
        self.check_modality(volume)
        network, device = self.ready.network, self.ready.device
        shape = grid_for(self.bundle, volume, roi).shape
        needed = plan(network, device, shape, smallest_tile(HALO, network.stride), 4 * volume.array.size, tile)
        tiles = cut_tiles(shape, needed.tile, HALO, network.stride)
        voxels = sum(math.prod(s.stop - s.start for s in t.read) for t in tiles)
        return replace(needed, seconds=voxels * probe(network, device))

    def segment(
        self,
        volume: Volume | Encoded,
        structures: Iterable[str] | str | None = None,
        roi: Box | None = None,
        tile: int | None = None,
        most: int | None = None,
        progress: Progress = silent,
        cancel: Cancel = never,
    ) -> Segmentation:
        """Label structures on the volume's own grid.

        The network decides among all of the model's structures whatever was asked for, so asking for one gives the
        same voxels as asking for all.

        Args:
            volume: a volume, or what `encode` made of it (then only the way to the volume's own grid is left).
            structures: ids, names or texts; None is all.
            roi: only inside this box, RAS mm (r0, r1, a0, a1, s0, s1); the network sees what lies around it. An
                encoded volume is one pass already and can have none.
            tile: largest tile edge in voxels; None lets memory decide.
            most: with a model of instances, how many of them are kept, the largest first; None is all.
            progress: told the stages "preparing", "encoding", "cleaning" and "resampling".

        Raises:
            MedVLPError: wrong modality, not enough memory, or more instances than a label map can hold.
            UsageError: unknown structure, a ROI outside the volume or in an encoded one, or a tile that is too small.
            Cancelled: `cancel` said so.
        """
        wanted = self.structures(structures)
        if isinstance(volume, Encoded):
            if roi is not None:
                raise UsageError("A region of interest needs a pass of its own.", "Give the volume, not its encoding.")
            encoded = volume
        else:
            self.check_modality(volume)
            encoded = encode_volume(self.ready, volume, roi, tile, progress, cancel)
        progress("resampling", 0.0)
        result = segmentation_of(self.bundle, encoded, wanted, roi, most, ticking("resampling", progress, cancel))
        progress("resampling", 1.0)
        check(cancel)
        return result

    def encode(
        self, volume: Volume, tile: int | None = None, progress: Progress = silent, cancel: Cancel = never
    ) -> Encoded:
        """The one pass over the image that any number of `find` calls share. Raises what `segment` raises."""
        self.check_modality(volume)
        return encode_volume(self.ready, volume, None, tile, progress, cancel)

    def look(self, volume: Volume, box: Box, cancel: Cancel = never) -> Encoded:
        """A pass over a part of a volume that refuses nothing: what of the model's field does it show?"""
        self.check_modality(volume)
        return encode_volume(self.ready, volume, box, None, silent, cancel)

    def find(self, volume: Volume | Encoded, text: str, k: int = 5) -> Regions:
        """Regions that a text names, best first.

        Args:
            volume: a volume, or what `encode` made of it (a query then takes milliseconds).
            text: any wording that `parse_prompt` understands. Unknown words find nothing and say so.
            k: how many regions at most.

        Raises:
            UsageError: `k` is below 1.
        """
        if k < 1:
            raise UsageError(f"{k} regions cannot be found.", "Ask for one or more.")
        encoded = volume if isinstance(volume, Encoded) else self.encode(volume)
        return find_regions(self.bundle, encoded, text, k)

    def likeness(
        self,
        volume: Volume,
        mask: NDArray[np.bool_],
        name: str = "the region",
        tile: int | None = None,
        progress: Progress = silent,
        cancel: Cancel = never,
    ) -> Likeness:
        """What a region of a volume looks like, for `find_alike` in others.

        Args:
            mask: (I, J, K) on the volume's own grid.

        Raises:
            UsageError: the region has no voxel, is smaller than a voxel of the model, or lies in the air.
            MedVLPError: as `segment`; or the region is all that the volume shows.
        """
        self.check_modality(volume)
        return likenesses(self.ready, volume, mask.astype(np.uint8), [name], tile, progress, cancel)[0]

    def find_alike(
        self,
        volume: Volume,
        likeness: Likeness,
        k: int = 5,
        tile: int | None = None,
        progress: Progress = silent,
        cancel: Cancel = never,
    ) -> Regions:
        """Regions that look like one of another volume, best first; a pass of its own. Raises what `find` raises."""
        if k < 1:
            raise UsageError(f"{k} regions cannot be found.", "Ask for one or more.")
        self.check_modality(volume)
        return find_alike(self.ready, volume, likeness, k, tile, progress, cancel)

    def check_modality(self, volume: Volume) -> None:
        """Raise MedVLPError when the volume is of another modality than the model's, by its tag or by its values."""
        wanted = self.bundle.card["modality"]
        if volume.modality and volume.modality != wanted:
            raise MedVLPError(
                f"The volume is {volume.modality} and the model {self.bundle.name} was trained on {wanted}.",
                f"Choose a model for {volume.modality}; if the file is wrong about itself, {_correct(wanted)}.",
            )
        if wanted == "EM" and max(volume.spacing) >= EM_SPACING_MM:
            sizes = (" x ".join(f"{mm:.3g}" for mm in spacing) for spacing in (volume.spacing, self.bundle.spacing))
            raise MedVLPError(
                f"The volume's voxels ({next(sizes)} mm) are no electron microscope's; {self.bundle.name} sees "
                f"{next(sizes)} mm.",
                "Choose a model of its modality; if the header says nanometres or micrometres, correct its spacing.",
            )
        if not volume.modality and wanted == "CT" and cannot_be_ct(volume.array):
            raise MedVLPError(
                f"The volume does not hold Hounsfield units (nothing is negative) and {self.bundle.name} is for CT.",
                "Choose a model of its modality; a CT stored with an offset must be converted to HU; "
                f"if it is a CT all the same, {_correct('CT')}.",
            )
        if not volume.modality and wanted in ("MR", "PT") and must_be_ct(volume.array):
            raise MedVLPError(
                f"The volume holds many negative values, as a CT does, and {self.bundle.name} is for {wanted}.",
                f"Choose a model for CT; if it is {wanted} all the same, {_correct(wanted)}.",
            )


def _correct(modality: str) -> str:
    """How a user says what a volume is, on the command line and in Slicer."""
    return f"say --modality {modality}, in Slicer by the volume's attribute DICOM.Modality"


def load_model(name: str | Path | None = None, device: str = "auto") -> LoadedModel:
    """Find a bundle, verify its hash, load its weights.

    Args:
        name: a model's name (`vlp3d models`), a bundle's folder, or None for the default model.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        UsageError: no such model or device.
        MedVLPError: the bundle is damaged or was changed.
    """
    bundle = find_bundle(name)
    chosen = choose_device(device)
    if bundle.kind == AFFINITIES:
        return LoadedModel(Ready(bundle, load_affinities(bundle).to(chosen.torch), chosen, None))
    if bundle.kind == CLOSED_SET:
        classes = load_closed_set(verified_weights(bundle), bundle.card["architecture"], bundle.name)
        return LoadedModel(Ready(bundle, classes.to(chosen.torch), chosen, queries_of(classes).to(chosen.torch)))
    network, vectors = load_network(bundle)
    network.to(chosen.torch)
    with torch.inference_mode():
        queries = network.queries(vectors.to(chosen.torch)).clone()
    return LoadedModel(Ready(bundle, network, chosen, queries))
