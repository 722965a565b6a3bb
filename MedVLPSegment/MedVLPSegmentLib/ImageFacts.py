"""What choosing a model needs to know of a volume."""

from __future__ import annotations

from typing import Any

from MedVLPLib.Modality import modalityOf
from vlp3d_core.model.fitting import Facts, excluded
from vlp3d_core.volume.modality import guess_modality


class ImageFacts:
    """What is known of volume nodes; the voxels are looked at once for each state of a volume."""

    def __init__(self) -> None:
        self._key: tuple[str, int] | None = None
        self._guess: tuple[str, tuple[str, ...]] = "", ()

    def of(self, volumeNode: Any) -> Facts | None:
        """Modality ("" where neither the node nor its voxels say), spacing and extent; None without an image."""
        if volumeNode is None or volumeNode.GetImageData() is None:
            return None
        spacing = tuple(float(mm) for mm in volumeNode.GetSpacing())
        modality, out = modalityOf(volumeNode), ()
        if not modality:
            modality, out = self._guessed(volumeNode, spacing)
        bounds = [0.0] * 6
        volumeNode.GetRASBounds(bounds)
        extent = tuple(high - low for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        return Facts(modality, spacing, extent, out)

    def _guessed(self, volumeNode: Any, spacing: tuple[float, ...]) -> tuple[str, tuple[str, ...]]:
        key = (volumeNode.GetID(), volumeNode.GetImageData().GetMTime())
        if self._key != key:
            import slicer

            array = slicer.util.arrayFromVolume(volumeNode)
            scalar = array is not None and array.ndim == 3 and min(array.shape) > 1
            self._key, self._guess = key, (guess_modality(array, spacing), excluded(array)) if scalar else ("", ())
        return self._guess
