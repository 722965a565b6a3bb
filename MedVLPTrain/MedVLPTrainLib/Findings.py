"""What `vlp3d manifest build` and `check` have found, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from MedVLPLib.Texts import _
from MedVLPTrainLib.SpecForm import FINETUNE
from vlp3d_core.text.concepts import concepts

SHOWN = 12
"""Findings in words; the rest is counted."""
UNKNOWN = "unknown"
"""What the command calls the modality of volumes of which nobody knows it."""


@dataclass(frozen=True)
class Findings:
    """A manifest that was looked at.

    Attributes:
        errors, warnings: sentences.
        counts: (what, value, volumes) for the table.
        volumes, labelled, reported: how many.
        modalities: name or `UNKNOWN` → volumes.
        texts: split → volumes with a text.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: tuple[tuple[str, str, int], ...] = ()
    volumes: int = 0
    labelled: int = 0
    reported: int = 0
    modalities: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        """Everything in words, the worst first."""
        said = [*self.errors, *self.warnings]
        more = [_("… and {count} more.").format(count=len(said) - SHOWN)] if len(said) > SHOWN else []
        summary = _("{volumes} volumes, {labelled} with labels, {reported} with a text.").format(
            volumes=self.volumes, labelled=self.labelled, reported=self.reported
        )
        return "\n".join([summary, *said[:SHOWN], *more])

    @property
    def kind(self) -> str:
        return "error" if self.errors else "warning" if self.warnings else "plain"

    def obstacle(self, method: str, modality: str = "") -> str:
        """Why a method cannot learn from this; "" where it can, as far as is known.

        Args:
            modality: that the job is for; "" where it takes the one that there is.
        """
        if self.errors:
            return _("Correct the data first. {problem}").format(problem=self.errors[0])
        if method == FINETUNE and not self.labelled:
            return _("Fine-tuning needs label maps whose values have names, and no volume has one.")
        if method != FINETUNE and self.reported < 2:
            return _("Pretraining needs two volumes with texts at least: make captions, or give a CSV file of reports.")
        if method != FINETUNE and self.texts.get("validation", 0) < 2:
            return _("Pretraining needs two volumes with texts in the split 'validation': add other patients.")
        return self._modalityObstacle(method, modality)

    def _modalityObstacle(self, method: str, modality: str) -> str:
        known, unknown = self.known, self.modalities.get(UNKNOWN, 0)
        if not modality and len(known) > 1:
            return _("The volumes are of several modalities ({listed}): choose one in the step Data.").format(
                listed=self.listed
            )
        if not modality and unknown and not known:
            return _("The files do not say their modality: choose it in the step Data.")
        others = {name for name in known if name != modality}
        if modality and method != FINETUNE and others:  # pretraining takes all volumes
            return _("The training is for {modality}, and there are other volumes ({listed}).").format(
                modality=modality, listed=self.listed
            )
        if modality and known and modality not in known and not unknown:
            return _("No volume is {modality} ({listed}).").format(modality=modality, listed=self.listed)
        return ""

    @property
    def known(self) -> dict[str, int]:
        """Modality → volumes, without those of which nobody knows it; the most frequent first."""
        pairs = sorted(self.modalities.items(), key=lambda pair: (-pair[1], pair[0]))
        return {name: n for name, n in pairs if name != UNKNOWN}

    @property
    def listed(self) -> str:
        return ", ".join(f"{n} {name}" for name, n in self.known.items())


def readFindings(said: Mapping[str, Any]) -> Findings:
    """From the JSON of the command; what is not there counts as nothing."""
    errors: list[str] = []
    warnings = [str(note) for note in said.get("notes", ())]
    for group in said.get("groups", ()):
        (errors if group.get("level") == "error" else warnings).append(_sentence(group))
    modalities = {name: int(n) for name, n in said.get("modalities", {}).items()}
    if said.get("subjects") == 1:
        warnings.insert(0, _("There is only one patient: nobody is left to validate on."))
    names = concepts()
    labels = {names[key].name if key in names else key: n for key, n in said.get("labels", {}).items()}
    tables = (
        (_("Modality"), modalities),
        (_("Spacing (mm)"), said.get("spacings", {})),
        (_("Structure"), labels),
        (_("Split"), said.get("splits", {})),
    )
    counts = [(what, str(value), int(n)) for what, found in tables for value, n in found.items()]
    found = Findings(
        tuple(errors), tuple(warnings), tuple(counts), int(said.get("volumes", 0)), int(said.get("with_label", 0)),
        int(said.get("with_report", 0)), modalities, said.get("reports", {}),
    )  # fmt: skip
    if len(found.known) > 1:
        text = _("There are several modalities ({listed}), and a model learns one.").format(listed=found.listed)
        found = replace(found, warnings=(text, *found.warnings))
    return found


def _sentence(group: Mapping[str, Any]) -> str:
    """What was found in one volume or in several."""
    text, count, example = str(group.get("text", "")), int(group.get("count", 0)), str(group.get("example", ""))
    if count > 1:
        return _("{count} volumes: {text} For example {example}.").format(count=count, text=text, example=example)
    return f"{example}: {text}" if example else text
