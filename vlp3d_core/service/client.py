"""The worker as a host program uses it: requests go out, jobs come back, nothing blocks, and no torch is loaded here.

    worker = Worker()
    job = worker.segment(volume, ["liver"], on_end=lambda job: print(job.state, job.result))
    ...                                     # a timer calls worker.poll() every 50 ms; or worker.wait(job)

Needs the standard library and numpy only. All methods belong to one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from vlp3d_core.service.conversation import Callback, Conversation
from vlp3d_core.service.job import Found, FoundRegion, Job
from vlp3d_core.volume.volume import Volume

__all__ = ["Found", "FoundRegion", "Job", "Worker"]

Box = tuple[float, float, float, float, float, float]


class Worker(Conversation):
    """A process that holds models and volumes, and this side of the conversation with it.

    It is started by the first request, again by the next one after it died, and ends with this process however that
    ends. Requests never raise for what can go wrong: the job fails, with its error. Volumes are copied when they are
    handed over.

    Args:
        python: the interpreter that has torch; None is the one that runs this.
        environment: of the worker; None is that of this process. The folder of this package is added to PYTHONPATH.
        launcher: starts the command; see `process.launch`, which is the default.
    """

    def hello(self, on_end: Callback | None = None) -> Job:
        """Versions, devices and free memory; loads torch, which takes seconds the first time.

        Result: {"version", "python", "torch", "devices": [{"name", "title", "free_bytes", "total_bytes"}],
        "memory": {"free_bytes", "total_bytes"}}; the device that "auto" means is the first one.
        """
        return self.request("hello", None, "", None, on_end)

    def models(self, on_end: Callback | None = None) -> Job:
        """The models that are installed, as `service.catalogue` lists them; does not load torch."""
        return self.request("models", None, "", None, on_end)

    def choose(self, volume: Volume, device: str = "auto", key: str = "", on_end: Callback | None = None) -> Job:
        """The installed model that fits a volume best, see `predict.choose`; fails where none does.

        Result: {"model": its name, "reason": in one line}.
        """
        return self.request("choose", volume, key, None, on_end, device=device)

    def estimate(
        self,
        volume: Volume,
        model: str | None = None,
        device: str = "auto",
        tile: int | None = None,
        roi: Box | None = None,
        key: str = "",
        on_progress: Callback | None = None,
        on_end: Callback | None = None,
    ) -> Job:
        """What `segment` would need; fails where it would not fit.

        Result: {"memory_bytes", "free_bytes", "seconds", "tile": [i, j, k], "reduced"}.
        """
        rest = {"model": model, "device": device, "tile": tile, "roi": _box(roi)}
        return self.request("estimate", volume, key, on_progress, on_end, **rest)

    def encode(
        self,
        volume: Volume,
        model: str | None = None,
        device: str = "auto",
        tile: int | None = None,
        key: str = "",
        on_progress: Callback | None = None,
        on_end: Callback | None = None,
    ) -> Job:
        """The one pass over a volume that `segment` and `find` of the same key and model share.

        Result: {"notes": [...], "report": {...}}.
        """
        rest = {"model": model, "device": device, "tile": tile}
        return self.request("encode", volume, key, on_progress, on_end, **rest)

    def segment(
        self,
        volume: Volume,
        structures: Iterable[str] | str | None = None,
        model: str | None = None,
        roi: Box | None = None,
        device: str = "auto",
        tile: int | None = None,
        key: str = "",
        on_progress: Callback | None = None,
        on_end: Callback | None = None,
    ) -> Job:
        """Label structures on the volume's own grid; see `LoadedModel.segment`.

        Args:
            structures: ids, names or texts; None is all of the model's.
            model: a name or a bundle's folder; None is the default model.
            roi: only inside this box, RAS mm (r0, r1, a0, a1, s0, s1).
            key: names the content of the volume. While it stays the same, the volume is not sent again and what was
                encoded is used again; "" is never used again.

        Result: a `Segmentation`.
        """
        texts = [structures] if isinstance(structures, str) else structures
        names = None if texts is None else list(texts)
        rest = {
            "structures": names,
            "model": model,
            "roi": _box(roi),
            "device": device,
            "tile": tile,
        }
        return self.request("segment", volume, key, on_progress, on_end, **rest)

    def likeness(
        self,
        volume: Volume,
        mask: NDArray[Any],
        name: str = "the region",
        model: str | None = None,
        device: str = "auto",
        tile: int | None = None,
        key: str = "",
        on_progress: Callback | None = None,
        on_end: Callback | None = None,
    ) -> Job:
        """What a region of a volume looks like to a model, for `find` in any volume; a pass of its own.

        Args:
            mask: (I, J, K) on the volume's own grid, not 0 inside.

        Result: {"query": [...], "volume_ml", "name", "model"}, a small JSON object.
        """
        rest = {"name": name, "model": model, "device": device, "tile": tile}
        return self.request("likeness", volume, key, on_progress, on_end, mask, **rest)

    def find(
        self,
        volume: Volume,
        text: str = "",
        k: int = 5,
        model: str | None = None,
        device: str = "auto",
        tile: int | None = None,
        key: str = "",
        on_progress: Callback | None = None,
        on_end: Callback | None = None,
        like: Mapping[str, Any] | None = None,
    ) -> Job:
        """Regions that a text names, at most `k`, best first; encodes the volume first where that was not done.

        Args:
            like: what `likeness` resulted in, by the same model, in place of the text; always a pass of its own.

        Result: `Found`.
        """
        rest = {"text": text, "k": k, "model": model, "device": device, "tile": tile, "like": like}
        return self.request("find", volume, key, on_progress, on_end, **rest)


def _box(roi: Box | None) -> list[float] | None:
    return None if roi is None else [float(edge) for edge in roi]
