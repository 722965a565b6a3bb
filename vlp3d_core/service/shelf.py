"""What a worker keeps between requests: volumes, one encoding a model of each, and models. The client decides which
volumes stay (see `uploads.py`); nothing here grows by itself."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.arrays import take_array
from vlp3d_core.service.protocol import Garbage, numbers_of, text_of, texts_of
from vlp3d_core.volume.volume import Source, Volume

if TYPE_CHECKING:
    from vlp3d_core.model.bundle import Bundle
    from vlp3d_core.predict.answer import Encoded
    from vlp3d_core.predict.loaded import LoadedModel

MODELS = 3
"""Loaded models that stay; the one that was used longest ago goes first."""


@dataclass
class Kept:
    """A volume as it arrived, in its own type (mapped, so that it costs no memory twice), and what was made of it.

    Attributes:
        raw: volume whose array has any type of `arrays.TYPES`.
        encoded: by bundle folder the model, the tile asked for, and the encoding.
    """

    raw: Volume
    encoded: dict[Path, tuple[LoadedModel, int | None, Encoded]] = field(default_factory=dict)

    def volume(self) -> Volume:
        """The volume as the engine takes it: int16 as it is, of other types a copy in float32."""
        array = self.raw.array
        return self.raw if array.dtype == np.int16 else self.raw.with_array(np.asarray(array, np.float32))

    def keep(self, model: LoadedModel, tile: int | None, encoded: Encoded) -> Encoded:
        """Remember an encoding without the float32 copy that it was made from."""
        light = encoded.on(self.raw)
        for one in (light, *light.layers.values()):
            _ = one.boxes  # looked up now, so that the first query is as quick as the others
        self.encoded[model.bundle.folder] = (model, tile, light)
        return light

    def find(self, model: LoadedModel, tile: int | None) -> Encoded | None:
        """The encoding by this very model, if it is here."""
        known = self.encoded.get(model.bundle.folder)
        return known[2] if known is not None and known[0] is model and known[1] == tile else None


class Shelf:
    """Volumes by the number that their client gave them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[int, Kept | MedVLPError] = {}

    def put(self, number: int, message: dict[str, Any]) -> None:
        """Take a volume in; what is wrong with it is said to whoever asks for it."""
        try:
            array = take_array(self._folder, message.get("array"))
            affine = np.array(numbers_of(message, "affine", 16)).reshape(4, 4)
            source = Source(notes=texts_of(message, "notes"))
            self._kept[number] = Kept(Volume(array, affine, text_of(message, "modality"), source))
        except Garbage as error:
            self._kept[number] = MedVLPError(f"The volume did not arrive: {error}", "Try again.")

    def get(self, number: int) -> Kept:
        """Raises MedVLPError when it is not here or arrived broken."""
        kept = self._kept.get(number, MedVLPError("The volume is not here any more.", "Try again."))
        if isinstance(kept, MedVLPError):
            raise MedVLPError(kept.cause, kept.remedy)
        return kept

    def release(self, number: int) -> None:
        """Let go of a volume."""
        self._kept.pop(number, None)

    def forget_encodings(self) -> None:
        """Give memory back."""
        for kept in list(self._kept.values()):
            if isinstance(kept, Kept):
                kept.encoded.clear()


class Models:
    """Loaded models by bundle and device. A bundle that was replaced on disk is loaded again."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
        self._found: dict[str | None, tuple[Bundle, tuple[int, int]]] = {}

    def bundle(self, name: str | None) -> Bundle:
        """The bundle of that name or folder; reading all cards takes longer than a query may."""
        from vlp3d_core.model.registry import find_bundle

        known = self._found.get(name)
        if known is not None and _state(known[0]) == known[1]:
            return known[0]
        bundle = find_bundle(name)
        self._found[name] = (bundle, _state(bundle))
        return bundle

    def look_again(self) -> None:
        """Names may mean other bundles from now on."""
        self._found.clear()

    def has(self, bundle: Bundle, device: str) -> bool:
        """Whether this very bundle is loaded."""
        return (str(bundle.folder), device) in self._loaded and self._current(bundle, device)

    def get(self, bundle: Bundle, device: str) -> LoadedModel:
        """The loaded model; raises what `load_model` raises."""
        from vlp3d_core.predict.loaded import load_model

        key = (str(bundle.folder), device)
        if not self.has(bundle, device):
            self._loaded.pop(key, None)
            self._loaded[key] = load_model(bundle.folder, device)
            while len(self._loaded) > MODELS:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _current(self, bundle: Bundle, device: str) -> bool:
        return self._loaded[str(bundle.folder), device].bundle.card == bundle.card


def _state(bundle: Bundle) -> tuple[int, int]:
    """What changes when a card is replaced."""
    from vlp3d_core.model.bundle import CARD

    try:
        facts = os.stat(bundle.folder / CARD)
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size
