"""Which volumes one worker has, as its client knows it: each is sent once, and given up when nobody needs it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.arrays import write_array
from vlp3d_core.service.process import Process
from vlp3d_core.volume.volume import Volume


@dataclass(frozen=True)
class _Sent:
    key: str
    token: int
    facts: dict[str, Any]


class Uploads:
    """The volumes of one process: the latest one that has a key, and those of jobs that have not ended."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._users: Counter[int] = Counter()
        self._latest: _Sent | None = None
        self._count = 0

    def lend(self, volume: Volume, key: str) -> int:
        """The number under which the worker has the volume, sent now where it has to be; end it with `give_back`.

        Raises:
            MedVLPError: no scalar 3D volume, or the temporary folder cannot be written.
        """
        facts = _facts(volume)
        latest = self._latest
        if latest is None or not key or (latest.key, latest.facts) != (key, facts):
            self._count += 1
            array = write_array(self.process.folder, f"v{self._count}.raw", np.asarray(volume.array))
            self.process.send({"do": "volume", "volume": self._count, "array": array, **facts})
            latest = _Sent(key, self._count, facts)
            if key:
                self._keep(latest)
        self._users[latest.token] += 1
        return latest.token

    def give_back(self, token: int) -> None:
        """A job that used the volume has ended."""
        self._users[token] -= 1
        self._release(token)

    def _keep(self, sent: _Sent) -> None:
        before, self._latest = self._latest, sent
        if before is not None:
            self._release(before.token)

    def _release(self, token: int) -> None:
        kept = self._latest is not None and self._latest.token == token
        if self._users[token] == 0 and not kept:
            del self._users[token]
            self.process.send({"do": "release", "volume": token})


def _facts(volume: Volume) -> dict[str, Any]:
    """All that the worker must know of a volume but its voxels. Volumes that differ here are not the same content."""
    array, affine = np.asarray(volume.array), np.asarray(volume.affine, np.float64)
    if array.ndim != 3 or not array.size:
        size = " × ".join(map(str, array.shape))
        raise MedVLPError(f"This is not a volume ({size or 'a single value'}).", "Give a scalar image with three axes.")
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise MedVLPError("The volume's matrix holds NaN or infinite values.", "Repair the image header.")
    notes = [str(note) for note in volume.source.notes]
    shape = list(array.shape)
    return {"affine": affine.ravel().tolist(), "modality": volume.modality, "notes": notes, "shape": shape}
