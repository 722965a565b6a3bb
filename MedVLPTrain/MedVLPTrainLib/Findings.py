"""What `vlp3d manifest build` and `check` have found, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.text.concepts import concepts

SHOWN = 12
"""Findings in words; the rest is counted."""


@dataclass(frozen=True)
class Findings:
    """A manifest that was looked at.

    Attributes:
        errors, warnings: sentences.
        counts: (what, value, volumes) for the table.
        volumes, labelled, reported: how many.
    """

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    counts: tuple[tuple[str, str, int], ...] = ()
    volumes: int = 0
    labelled: int = 0
    reported: int = 0

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

    def obstacle(self, method: str) -> str:
        """Why a method cannot learn from this; "" where it can, as far as is known."""
        if self.errors:
            return _("Correct the data first. {problem}").format(problem=self.errors[0])
        if method == "finetune" and not self.labelled:
            return _("Fine-tuning needs label maps whose values have names, and no volume has one.")
        if method != "finetune" and self.reported < 2:
            return _("Pretraining needs two volumes with texts at least: make captions, or give a CSV file of reports.")
        return ""


def readFindings(said: Mapping[str, Any]) -> Findings:
    """From the JSON of the command; what is not there counts as nothing."""
    errors, warnings = [], [str(note) for note in said.get("notes", ())]
    for remark in said.get("remarks", ()):
        subject, text = str(remark.get("subject", "")), str(remark.get("text", ""))
        (errors if remark.get("level") == "error" else warnings).append(f"{subject}: {text}" if subject else text)
    modalities = {name: int(n) for name, n in said.get("modalities", {}).items()}
    known = sorted((-n, name) for name, n in modalities.items() if name not in ("", "unknown"))
    if len(known) > 1:
        text = _("There are several modalities ({listed}), and a model learns one: write modality=… under Method.")
        warnings.insert(0, text.format(listed=", ".join(f"{-n} {name}" for n, name in known)))
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
    return Findings(
        tuple(errors), tuple(warnings), tuple(counts), int(said.get("volumes", 0)), int(said.get("with_label", 0)),
        int(said.get("with_report", 0)),
    )  # fmt: skip
