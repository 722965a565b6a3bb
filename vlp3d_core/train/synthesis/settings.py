"""How images are made from tissues: the setting `synthesis` of a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from vlp3d_core.train.settings import checked, choice, require
from vlp3d_core.volume.normalise import Normalisation

LOOKS = {"mr": "percentile", "ct": "window"}
"""Look → the kind of normalisation that its recipes have."""
LESION, WHITE_MATTER, GREY_MATTER = "lesion", "white_matter", "gray_matter"
"""Tissues of `mr.json`."""
LESION_CONCEPT = "white_matter_lesion"


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What an image may look like. Each image draws its own values up to these; 0 leaves an effect out.

    Attributes:
        look: "mr" gives every tissue any grey; "ct" gives it its HU.
        spacing: of the images, mm.
        finest: edge of the voxels of the maps, mm, where they are finer than the images: a voxel then shows parts of
            several tissues, as in a scan that is brought to a coarser grid. 0: maps have the images' spacing.
        normalisation: as inference has it: percentiles for "mr", a window for "ct".
        tissues: names of the tissues 1, 2, … of the maps: in `ct.json`, all of them; in `mr.json`, the first ones, ""
            where none fits.
        usual: part of the images in which the named tissues are as in T1, T2, FLAIR or PD, and not of any grey ("mr").
        contrasts: which of these are drawn, by their names in `mr.json`; all where none is named.
        lesions: part of the images with lesions of the white matter that their maps do not have ("mr"); needs tissues
            named `LESION` and `WHITE_MATTER`. Without the concept `LESION_CONCEPT` they count as what they lie in.
        lesion_label: their value in the labels, from the recipe's concepts; 0 where they are not learnt.
        elastic: standard deviation of the control points of a deformation, mm; most places move a third of it.
        bias: standard deviation of the logarithm of the coils' sensitivity at its control points ("mr").
        gamma: standard deviation of the logarithm of the power that bends the greys ("mr").
        thickest: distance of slices, mm.
        noise: standard deviation as a part of the range of greys: of the window, or of 255 for "mr".
        cropped: part of the images that end within the patch.
        outside: tissues from this number on lie around the organ of interest, as skull and skin do around the brain; 0
            for there are none.
        stripped: part of the images that lack them.
    """

    look: str = choice("mr", tuple(LOOKS))
    spacing: tuple[float, float, float]
    finest: float = 0.0
    normalisation: dict[str, Any]
    tissues: tuple[str, ...] = ()
    usual: float = 0.0
    contrasts: tuple[str, ...] = ()
    lesions: float = 0.0
    lesion_label: int = 0
    elastic: float = 6.0
    bias: float = 0.5
    gamma: float = 0.4
    thickest: float = 7.0
    noise: float = 0.06
    cropped: float = 0.25
    outside: int = 0
    stripped: float = 0.2

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        require(self.look in LOOKS, "synthesis.look", f"must be one of {', '.join(LOOKS)}")
        kind = LOOKS[self.look]
        require(self.window.kind == kind, "normalisation", f"must be a {kind} for synthesis of {self.look}")
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, float | int):
                require(value >= 0, f"synthesis.{one.name}", "must not be negative")
        for name in ("cropped", "stripped", "usual", "lesions"):
            require(getattr(self, name) <= 1, f"synthesis.{name}", "must not be above 1")
        needed = self.look == "ct" or self.usual > 0
        only = "is needed for the look ct or with synthesis.usual, and only there"
        require(bool(self.tissues) == needed, "synthesis.tissues", only)
        require(
            set(self.contrasts) <= set(usual_shares()), "synthesis.contrasts", f"can name {', '.join(usual_shares())}"
        )
        known = hounsfield() if self.look == "ct" else usual_greys()
        if self.lesions:
            both = {LESION, WHITE_MATTER} <= set(self.tissues) and self.look == "mr"
            require(both, "synthesis.lesions", f"needs the look mr and tissues named {LESION} and {WHITE_MATTER}")
        finer = not self.finest or all(mm / 2 <= self.finest <= mm for mm in self.spacing)
        require(finer, "synthesis.finest", "must be between half the spacing and the spacing")
        unknown = [name for name in self.tissues if name not in known and (name or self.look == "ct")]
        require(not unknown, "synthesis.tissues", f"can name {', '.join(known)}, and not {', '.join(unknown)}")

    @property
    def window(self) -> Normalisation:
        return Normalisation.from_json(self.normalisation)

    @property
    def maps(self) -> tuple[float, float, float]:
        """Spacing of the maps, mm."""
        return (self.finest,) * 3 if self.finest else self.spacing

    def image_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Of the image of a map of that shape."""
        return tuple(max(1, round(n * fine / mm)) for n, fine, mm in zip(shape, self.maps, self.spacing, strict=True))

    def map_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Of the map that makes an image of that shape.

        Raises:
            UsageError: no whole number of voxels makes it.
        """
        sizes = [n * mm / fine for n, fine, mm in zip(shape, self.maps, self.spacing, strict=True)]
        whole = all(abs(size - round(size)) < 1e-6 for size in sizes)
        require(whole, "patch", "times the spacing must be a whole number of times synthesis.finest")
        return tuple(round(size) for size in sizes)

    @property
    def span(self) -> float:
        """The range of greys."""
        return 255.0 if self.look == "mr" else self.window.high - self.window.low


def synthesis_of(
    values: Mapping[str, Any],
    spacing: Sequence[float],
    normalisation: Mapping[str, Any],
    concepts: Sequence[str] = (),
) -> Synthesis | None:
    """The setting `synthesis` of a recipe with what it takes from the others; None where it is empty.

    Raises:
        UsageError: an unknown setting or one that makes no sense.
        MedVLPError: the normalisation cannot be read.
    """
    if not values:
        return None
    whole = {**values, "spacing": list(spacing), "normalisation": dict(normalisation)}
    named = LESION in values.get("tissues", ()) and LESION_CONCEPT in concepts
    whole["lesion_label"] = list(concepts).index(LESION_CONCEPT) + 1 if named else 0
    return checked(Synthesis, whole, "The setting synthesis")


@cache
def hounsfield() -> dict[str, list[float]]:
    """Tissue → lowest mean, highest mean and standard deviation within a patient, HU."""
    table: dict[str, list[float]] = json.loads((files(__package__) / "ct.json").read_text(encoding="utf-8"))["tissues"]
    return table


@cache
def usual_greys() -> dict[str, list[float]]:
    """Tissue → its mean grey in each of the usual contrasts, of 255."""
    table: dict[str, list[float]] = _usual()["tissues"]
    return table


@cache
def usual_shares() -> dict[str, float]:
    """How often each of the usual contrasts is drawn: T1 is what most heads are scanned with."""
    return dict(zip(_usual()["contrasts"], _usual()["shares"], strict=True))


@cache
def _usual() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((files(__package__) / "mr.json").read_text(encoding="utf-8"))
    return table
