"""What is true of a study, in the form that reports are written from and read back into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.report.kinds import kinds


@dataclass(frozen=True, order=True)
class Finding:
    """One finding, or several of the same kind at the same place.

    Attributes:
        kind: a key of findings.json ("lung_nodule").
        side: the patient's side, "left", "right" or "".
        site: structure that it lies in, where its kind has several ("lung_upper_lobe_left"); else "".
        count: how many.
        size_mm: longest diameter of the largest one in whole mm; 0 where the kind is not measured in mm.
        density: "solid", "calcified", "ground-glass", or another word of the kind; "" where it has none.
        degree: "small", "moderate", "large" or "".
        size_nm: the same in whole nm, for kinds that are measured in nm.
    """

    kind: str
    side: str = ""
    site: str = ""
    count: int = 1
    size_mm: int = 0
    density: str = ""
    degree: str = ""
    size_nm: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError where the words for such a finding could not be read back."""
        kind = kinds().get(self.kind)
        if kind is None:
            raise ValueError(f"{self.kind!r} is no kind of finding")
        if self.site not in (kind.sites or ("",)) or (self.side != "") != (kind.sides or _sided(self.site)):
            raise ValueError(f"a {self.kind} has no site {self.site!r} with the side {self.side!r}")
        if self.site and self.side != concepts()[self.site].side:
            raise ValueError(f"{self.site} is not on the {self.side}")
        sizes = {"mm": self.size_mm, "nm": self.size_nm}
        measured = sizes.pop(kind.unit)
        if (measured > 0) != kind.size or any(sizes.values()) or self.count < 1 or (self.count > 1 and not kind.count):
            raise ValueError(f"a {self.kind} has no size {measured} {kind.unit} or count {self.count}")
        if self.density not in (kind.density or ("",)) or self.degree not in (kind.degree or ("",)):
            raise ValueError(f"a {self.kind} is not {self.density} {self.degree}")

    @property
    def concept(self) -> str:
        """Id in concepts.json: with the side where it has one of that name."""
        sided = f"{self.kind}_{self.side}"
        return sided if sided in concepts() else kinds()[self.kind].concept or self.kind


@dataclass(frozen=True, order=True)
class Measured:
    """A structure that was measured in a labelled volume.

    Attributes:
        structure: concept id.
        volume_mm3: to three significant digits, which is what a report says.
        mean: mean intensity, whole; HU in CT.
    """

    structure: str
    volume_mm3: float
    mean: int

    def __post_init__(self) -> None:
        """Raises ValueError for what is no structure or has no volume."""
        if self.structure not in concepts() or not self.volume_mm3 > 0:
            raise ValueError(f"{self.structure!r} with {self.volume_mm3} mm³ is no measured structure")
        object.__setattr__(self, "volume_mm3", float(f"{self.volume_mm3:.3g}"))


@dataclass(frozen=True)
class StudyFacts:
    """What a report says of a study; every tuple is sorted, which `StudyFacts.of` sees to.

    Attributes:
        modality: "CT", "MR" or "EM".
        contrast: of an MR, a key of "contrasts" in findings.json ("T2"); "" where it is not said.
        regions: what the field of view shows, of "head", "neck", "chest", "abdomen", "pelvis"; "neuropil" and
            "perikaryon" in EM.
        findings: what is there.
        none: kinds of findings that were looked for and are not there.
        removed: organs that are missing though the field of view shows their place.
        normal: organs that are unremarkable.
        measured: structures with their volume and intensity.
    """

    modality: str
    contrast: str = ""
    regions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    none: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()

    @staticmethod
    def of(modality: str, contrast: str = "", **parts: Any) -> StudyFacts:
        """The same facts in their one order."""
        return StudyFacts(modality, contrast, **{name: tuple(sorted(values)) for name, values in parts.items()})

    def statements(self) -> frozenset[str]:
        """What is said, each as one text without measures: two studies are alike as far as these agree."""
        found = {f"{f.kind} {f.side} {f.site} {f.degree}" for f in self.findings}
        found |= {f"measured {m.structure}" for m in self.measured}
        said = {"regions": self.regions, "none": self.none, "removed": self.removed, "normal": self.normal}
        return frozenset(found | {f"{name} {value}" for name, values in said.items() for value in values})

    def to_json(self) -> dict[str, Any]:
        """Plain lists and texts."""
        return asdict(self)

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> StudyFacts:
        """Read what `to_json` wrote."""
        findings = [Finding(**f) for f in row.get("findings", ())]
        measured = [Measured(**m) for m in row.get("measured", ())]
        names = {key: row.get(key, ()) for key in ("regions", "none", "removed", "normal")}
        return StudyFacts.of(row["modality"], row.get("contrast", ""), findings=findings, measured=measured, **names)


def _sided(site: str) -> bool:
    return bool(site and concepts()[site].side)
