"""Networks on disk: a card (JSON) that says what a network is and wants, and its weights (safetensors).

The card holds the hash of the weights, so that two files that do not belong together are never used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing, sha256_of
from vlp3d_core.volume.normalise import Normalisation

Network = TypeVar("Network", bound=nn.Module)


class Sees:
    """Base of networks with a card: what they want to see.

    Attributes:
        card: with spacing, field and normalisation.
    """

    card: dict[str, Any]

    @property
    def spacing(self) -> tuple[float, float, float]:
        r, a, s = self.card["spacing"]
        return float(r), float(a), float(s)

    @property
    def field(self) -> tuple[int, int, int]:
        """Voxels along R, A, S that the network saw in training."""
        i, j, k = self.card["field"]
        return int(i), int(j), int(k)

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation.from_json(self.card["normalisation"])


def save_network(folder: Path, stem: str, weights: Mapping[str, Tensor], card: dict[str, Any]) -> None:
    """Write STEM.safetensors, then STEM.json with their hash; each replaces the former in one step."""
    with replacing(folder / f"{stem}.safetensors") as temporary:
        save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, temporary)
    with replacing(folder / f"{stem}.json") as temporary:
        full = {**card, "sha256": sha256_of(folder / f"{stem}.safetensors")}
        temporary.write_text(json.dumps(full, indent=1), encoding="utf-8")


def load_network(
    folder: Path, stem: str, build: Callable[..., Network], what: str, command: str
) -> tuple[Network, dict[str, Any]]:
    """The network, in evaluation mode on the CPU, and its card.

    Args:
        build: takes the card's `architecture` as keywords.
        what, command: what messages call such a folder, and what makes one.

    Raises:
        MedVLPError: nothing of that kind there, or weights that are not those of its card.
    """
    try:
        card = json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
        architecture, digest = card["architecture"], card["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedVLPError(
            f"{folder} holds no finished {what}.", f"Give the --out folder of a `{command}` that has ended."
        ) from error
    weights = folder / f"{stem}.safetensors"
    if not weights.is_file() or sha256_of(weights) != digest:
        raise MedVLPError(f"The weights in {folder} are missing or not those of its card.", f"Run `{command}` again.")
    try:
        network = build(**architecture)
        network.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise MedVLPError(f"The weights in {folder} do not fit its card.", f"Run `{command}` again.") from error
    return network.eval(), card
