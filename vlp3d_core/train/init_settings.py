"""What a run must take over from the one it starts from, for weights fit only the network that they were made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import WEIGHTS, read_bundle
from vlp3d_core.model.pretrained import WEIGHTS as PRETRAINED
from vlp3d_core.model.pretrained import load_pretrained
from vlp3d_core.train.run_folder import SETTINGS
from vlp3d_core.train.trainer import BEST

NETWORK = ("encoder", "encoder_options")
DECODER = ("dimension", "text_rank")
SIGHT = ("spacing", "normalisation")


def init_settings(folder: Path, modality: str) -> tuple[dict[str, Any], str]:
    """The settings of a pretraining run, a fine-tuned run or a bundle, and a sentence about them.

    Spacing and normalisation belong to the modality that they were made for; of another one the network alone is taken.

    Args:
        modality: of the run that starts.

    Raises:
        MedVLPError: no such run, or one that cannot be read.
    """
    card, decoder = _card(folder)
    names = (*NETWORK, *(DECODER if decoder else ()), *(SIGHT if card.get("modality") == modality else ()))
    taken = {name: card[name] for name in names if name in card}
    if missing := [name for name in NETWORK if name not in taken]:
        raise MedVLPError(
            f"{folder} does not say its {' and '.join(missing)}.", "Give another run or bundle to --init."
        )
    if "spacing" in taken:
        what = "The encoder and its options, spacing and normalisation are those"
    else:
        what = f"The encoder and its options (not the spacing, which was for {card.get('modality')}) are those"
    return taken, f"{what} of {folder.name}: its weights fit nothing else."


def _card(folder: Path) -> tuple[dict[str, Any], bool]:
    """Its settings, and whether it has the decoder of a segmentation; in the order in which weights are looked for."""
    if (folder / BEST).is_file():
        try:
            settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MedVLPError(f"{folder / SETTINGS} cannot be read.", "Give another run to --init.") from error
        if not isinstance(settings, dict):
            raise MedVLPError(f"{folder / SETTINGS} holds no settings.", "Give another run to --init.")
        return settings, settings.get("task") == "segmentation"
    if (folder / WEIGHTS).is_file():
        card, decoder = read_bundle(folder).card, True
    elif (folder / PRETRAINED).is_file():
        card, decoder = load_pretrained(folder).card, False
    else:
        raise MedVLPError(f"{folder} holds no weights.", "Give a run folder or a bundle folder to --init.")
    return {**card, **card["architecture"]}, decoder
