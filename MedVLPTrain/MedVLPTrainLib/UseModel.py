"""A job's model becomes one that MedVLPSegment knows: its name, and the panel there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import slicer

from MedVLPLib.Texts import _
from MedVLPTrainLib.Obstacles import CARD
from vlp3d_core.errors import MedVLPError

MODULE = "MedVLPSegment"
MOST = 20_000_000
"""Bytes of a card that are read."""


def installWords(bundle: Path, job: str) -> tuple[str, list[str]]:
    """The name under which a job's model will be known, and the `vlp3d` command that installs it; no words where the
    very same weights are installed already.

    A name that is taken, such as that of an embedded model with the same recipe, gets the job's id: nothing that is
    installed is ever replaced by a click.

    Args:
        bundle: the folder of the model.
        job: id of the job.

    Raises:
        MedVLPError: the model's card cannot be read.
    """
    name, weights = _nameAndWeights(bundle)
    if not name:
        raise MedVLPError(
            _("The card of the model in {folder} cannot be read.").format(folder=bundle), _("Resume the job.")
        )
    installed = _installed()
    own = f"{name[:50]}-{job}"
    for known in (name, own):
        if installed.get(known) == weights:
            return known, []
    words = ["models", "add", str(bundle), "--yes"]
    if name not in installed:
        return name, words
    return own, [*words, f"--name={own}"]


def selectModel(name: str) -> None:
    """Show MedVLPSegment with this model chosen, also when its worker has listed the models before."""
    slicer.util.selectModule(MODULE)
    widget = slicer.util.getModuleWidget(MODULE)
    panel = widget.panel
    panel.parameters.model = name

    def onModels(run: Any) -> None:
        if run.error is None:
            panel.models.setModels(run.result)
            panel.queueRefresh()

    if not panel.dependencies.missing:
        panel.logic.models(onEnd=onModels)
        panel.timer.start()


def _installed() -> dict[str, str]:
    """Name of each model that can be seen → SHA-256 of its weights. The folders are the registry's."""
    from vlp3d_core.model.registry import folders

    found: dict[str, str] = {}
    for folder in folders():
        for card in sorted(folder.glob(f"*/{CARD}")):
            name, weights = _nameAndWeights(card.parent)
            found.setdefault(name or card.parent.name, weights)
    return found


def _nameAndWeights(bundle: Path) -> tuple[str, str]:
    """Of a card; "" where it cannot be read."""
    try:
        with (bundle / CARD).open("rb") as file:
            card = json.loads(file.read(MOST))
        return str(card["name"]), str(card["weights"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "", ""
