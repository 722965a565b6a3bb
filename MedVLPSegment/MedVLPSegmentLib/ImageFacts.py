"""What choosing a model needs to know of a volume."""

from __future__ import annotations

from typing import Any

from MedVLPLib.Modality import modalityOf


class ImageFacts:
    """Modality and spacing of volume nodes; the voxels are looked at once for each state of a volume."""

    def __init__(self) -> None:
        self._key: tuple[str, int] | None = None
        self._guess = ""

    def of(self, volumeNode: Any) -> tuple[str, tuple[float, ...]]:
        """Modality ("" where neither the node nor its voxels say) and spacing in mm (empty without an image)."""
        if volumeNode is None or volumeNode.GetImageData() is None:
            return "", ()
        spacing = tuple(float(mm) for mm in volumeNode.GetSpacing())
        return modalityOf(volumeNode) or self._guessed(volumeNode, spacing), spacing

    def _guessed(self, volumeNode: Any, spacing: tuple[float, ...]) -> str:
        key = (volumeNode.GetID(), volumeNode.GetImageData().GetMTime())
        if self._key != key:
            import slicer

            from vlp3d_core.volume.modality import guess_modality

            array = slicer.util.arrayFromVolume(volumeNode)
            scalar = array is not None and array.ndim == 3 and min(array.shape) > 1
            self._key, self._guess = key, guess_modality(array, spacing) if scalar else ""
        return self._guess
