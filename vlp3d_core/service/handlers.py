"""What the worker does for each request. The engine, and torch with it, is imported by the first one that needs it."""

from __future__ import annotations

import dataclasses
import gc
import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.progress import Cancel, Progress, check
from vlp3d_core.service.arrays import discard, write_array
from vlp3d_core.service.forecast import Forecast, Rates
from vlp3d_core.service.protocol import Like, Request
from vlp3d_core.service.shelf import Kept, Models, Shelf
from vlp3d_core.volume.segmentation import FEW

if TYPE_CHECKING:
    from vlp3d_core.predict.answer import Encoded
    from vlp3d_core.predict.find import Regions
    from vlp3d_core.predict.loaded import LoadedModel
    from vlp3d_core.predict.region import Region

LOADING = {"stage": "loading", "fraction": 0.0, "remaining": None}
_importing = threading.Lock()
Tell = Callable[[dict[str, Any]], None]


class Handlers:
    """Does requests one after the other.

    Args:
        folder: the private folder, into which results are written.
        shelf: where volumes arrive.
    """

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self.folder = folder
        self.shelf = shelf
        self.models = Models()
        self._rates: dict[str, Rates] = {}
        self._files = 0
        self._warm = False

    def work(self, request: Request, tell: Tell, cancel: Cancel) -> dict[str, Any]:
        """The result of a request, ready for JSON.

        Raises:
            MedVLPError: it cannot be done, and why.
            Cancelled: `cancel` said so.
        """
        kept = self.shelf.get(request.volume)
        if not self._warm:
            tell(LOADING)
            import_engine()
            check(cancel)
        if request.do == "choose":
            self._warm = True
            return _choose(kept, request, cancel)
        bundle = self.models.bundle(request.model)
        if self._warm and not self.models.has(bundle, request.device):
            tell(LOADING)
        self._warm = True
        model = self.models.get(bundle, request.device)
        check(cancel)
        return _Run(self, kept, model, request, tell, cancel).result()

    def rates(self, model: LoadedModel) -> Rates:
        """Measured speeds on a model's device."""
        return self._rates.setdefault(f"{model.bundle.folder} {model.ready.device}", Rates())

    def write(self, array: Any) -> dict[str, Any]:
        """Put an array of a result into the folder."""
        self._files += 1
        return write_array(self.folder, f"r{self._files}.raw", array)

    def free_memory(self) -> None:
        """Give back what can be made again, after memory ran out."""
        self.shelf.forget_encodings()
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _choose(kept: Kept, request: Request, cancel: Cancel) -> dict[str, Any]:
    from vlp3d_core.model.registry import list_bundles
    from vlp3d_core.predict.choose import choose_bundle

    chosen = choose_bundle(kept.volume(), list_bundles(), request.device, cancel=cancel)
    return {"model": chosen.bundle.name, "reason": chosen.reason}


def import_cards() -> None:
    """Load what reads model cards; quick."""
    import vlp3d_core.service.catalogue  # noqa: F401


def import_engine() -> None:
    """Load torch and what stands on it, once, in seconds. Two threads at it could see half-made modules."""
    with _importing:
        import vlp3d_core.predict.loaded
        import vlp3d_core.service.machine  # noqa: F401


class _Run:
    """One request with all that it needs at hand."""

    def __init__(
        self, handlers: Handlers, kept: Kept, model: LoadedModel, request: Request, tell: Tell, cancel: Cancel
    ) -> None:
        self.handlers, self.kept, self.model, self.request, self.cancel = handlers, kept, model, request, cancel
        self.rates = handlers.rates(model)
        anew = request.roi or request.like or request.do == "likeness"
        self.encoded = None if anew else kept.find(model, request.tile)
        self.forecast = Forecast(self._voxels(), self.rates, tell)

    def result(self) -> dict[str, Any]:
        work = {
            "estimate": self.estimate,
            "encode": self.encode,
            "segment": self.segment,
            "likeness": self.likeness,
            "find": self.find,
        }
        result = work[self.request.do]()
        self.forecast.end()
        return result

    def estimate(self) -> dict[str, Any]:
        from vlp3d_core.predict.encode import grid_for

        needed = self.model.estimate(self.kept.raw, self.request.tile, self.request.roi)
        shape = grid_for(self.model.bundle, self.kept.raw, self.request.roi).shape
        if not self.rates.knows("encoding"):
            self.rates.learn("encoding", math.prod(shape), needed.seconds)
        seconds = sum(self.rates.seconds(stage, n) for stage, n in self._voxels("segment").items())
        return {
            "memory_bytes": needed.memory_bytes,
            "free_bytes": needed.free_bytes,
            "seconds": round(seconds, 3),
            "tile": list(needed.tile),
            "reduced": needed.reduced,
        }

    def encode(self) -> dict[str, Any]:
        encoded = self._encoded()
        return {"notes": list(encoded.notes), "report": encoded.report}

    def segment(self) -> dict[str, Any]:
        request, model = self.request, self.model
        wanted = model.structures(request.structures)  # an unknown name is said before the long work
        progress: Progress = self.forecast
        if request.roi is None:
            made = model.segment(self._encoded(), wanted, most=FEW, progress=progress, cancel=self.cancel)
        else:
            made = model.segment(self.kept.volume(), wanted, request.roi, request.tile, FEW, progress, self.cancel)
        rows = [dataclasses.asdict(row) for row in made.segments]
        labels = self.handlers.write(made.labels)
        return {
            "labels": labels,
            "segments": rows,
            "model": made.model,
            "notes": list(made.notes),
            "report": made.report,
        }

    def likeness(self) -> dict[str, Any]:
        request = self.request
        mask = self.handlers.shelf.get(request.mask).raw.array
        if mask.shape != self.kept.raw.shape:
            raise MedVLPError("The mask does not have the volume's shape.", "Draw it on the volume's own grid.")
        volume = self.kept.volume()
        made = self.model.likeness(volume, mask != 0, request.name, request.tile, self.forecast, self.cancel)
        query = made.query.tolist()
        return {"query": query, "volume_ml": made.volume_ml, "name": made.name, "model": self.model.bundle.name}

    def find(self) -> dict[str, Any]:
        regions = self._alike(self.request.like) if self.request.like else self._named()
        rows: list[dict[str, Any]] = []
        try:
            for rank, region in enumerate(regions, 1):
                check(self.cancel)
                rows.append(self._region(rank, region))
        except Cancelled:
            discard(self.handlers.folder, rows)
            raise
        return {
            "text": regions.prompt.text,
            "regions": rows,
            "notes": list(regions.notes),
            "unknown": list(regions.prompt.unknown),
            "suggestions": list(regions.prompt.suggestions),
        }

    def _named(self) -> Regions:
        encoded = self._encoded()
        self.forecast("searching", 0.0)
        return self.model.find(encoded, self.request.text, self.request.k)

    def _alike(self, like: Like) -> Regions:
        from vlp3d_core.predict.like import Likeness

        request, name, queries = self.request, self.model.bundle.name, self.model.ready.queries
        if queries is None or (like.model, len(like.query)) != (name, queries.shape[1]):
            raise UsageError(f"This likeness is of the model {like.model}, not of {name}.", "Show the example again.")
        known = Likeness(np.array(like.query, np.float32), like.volume_ml, like.name)
        volume = self.kept.volume()
        found = self.model.find_alike(volume, known, request.k, request.tile, self.forecast, self.cancel)
        self.forecast("searching", 0.0)
        return found

    def _region(self, rank: int, region: Region) -> dict[str, Any]:
        mask, affine = region.crop()
        return {
            "rank": rank,
            "concept": region.concept.id,
            "name": region.concept.name,
            "color": list(region.concept.color),
            "category": region.concept.category,
            "type": region.concept.type,
            "modifier": region.concept.modifier,
            "score": region.score,
            "centre": list(region.centre),
            "volume_ml": region.volume_ml,
            "mask": self.handlers.write(mask),
            "affine": affine.ravel().tolist(),
        }

    def _encoded(self) -> Encoded:
        """What is kept, or the one pass now."""
        if self.encoded is None:
            made = self.model.encode(self.kept.volume(), self.request.tile, self.forecast, self.cancel)
            self.encoded = self.kept.keep(self.model, self.request.tile, made)
        return self.encoded

    def _voxels(self, do: str | None = None) -> dict[str, float]:
        """Voxels of the stages that lie ahead; see `forecast.RATES`."""
        from vlp3d_core.predict.encode import grid_for

        do = do or self.request.do
        if do == "estimate":
            return {}
        native = float(self.kept.raw.array.size)
        grid = float(math.prod(grid_for(self.model.bundle, self.kept.raw, self.request.roi).shape))
        stages: dict[str, float] = {}
        if self.encoded is None:
            stages = {"preparing": native, "encoding": grid}
        if self.encoded is None and do != "likeness":
            stages["cleaning"] = grid
        if do == "segment":
            stages["resampling"] = native
        elif do == "find":
            stages["searching"] = grid
        return stages
