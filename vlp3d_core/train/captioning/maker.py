"""What a maker of captions is, and how its texts stand in a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.volume import Volume


@dataclass(frozen=True)
class Made:
    """A text, and what it is about.

    Attributes:
        text: what stands in the manifest's `report`.
        crop: the part of the volume that was described ("whole volume", "axial slices 20, 60 of 80").
    """

    text: str
    crop: str


@dataclass(frozen=True)
class Left:
    """No text, and why; volumes with the same reason are counted together.

    Attributes:
        why: the end of "volumes were left without a text: …", with the remedy.
    """

    why: str


class MakerStopped(MedVLPError):
    """No further volume will fare better: a key that is refused, a server that is gone."""


class CaptionMaker(Protocol):
    """Writes a text about a volume. Two makers whose attributes are equal write the same.

    Attributes:
        name: "facts", "vlm" or "endpoint".
        version: of what writes: this package, a model with the hash of its weights, the model that a server runs.
        settings: what else decides the text (a prompt); stands in the manifest beside it.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, str]: ...

    def caption(self, case: Case, volume: Volume | None = None) -> Made | Left:
        """Describe a case. The text never holds a file's or a subject's name.

        Args:
            volume: the case's image where the caller has read it already.

        Raises:
            MakerStopped: the run should end here.
            MedVLPError: this volume cannot be read or described; others can.
        """
        ...


def stamped(case: Case, made: Made, maker: CaptionMaker) -> Case:
    """The case with its text, marked as made by a program, so that a later correction can be told from it."""
    about = {"maker": maker.name, "version": maker.version, "crop": made.crop, **maker.settings}
    return replace(case, report=made.text, caption={**about, "sha256": _hash(made.text)})


def corrected(case: Case) -> bool:
    """Whether somebody has changed a caption since it was made; False where that cannot be known (older manifests)."""
    made = case.caption.get("sha256")
    return made is not None and bool(case.report) and made != _hash(case.report)


def _hash(text: str) -> str:
    # As the manifest reads it: without space around it.
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()
