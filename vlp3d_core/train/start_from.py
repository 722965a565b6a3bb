"""Starting a run from the weights of another one."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import WEIGHTS
from vlp3d_core.model.vision_language import VisionLanguageModel
from vlp3d_core.train.trainer import BEST


def start_from(network: VisionLanguageModel, folder: Path) -> list[str]:
    """Take over the weights of a run folder or a bundle whose names and shapes agree.

    Returns:
        the names that were not taken over.

    Raises:
        MedVLPError: no weights, or none that fit: another architecture.
    """
    file = next((f for f in (folder / BEST, folder / WEIGHTS) if f.is_file()), None)
    if file is None:
        raise MedVLPError(f"{folder} holds no weights.", "Give a run folder or a bundle folder.")
    try:
        other = load_file(file)
    except (SafetensorError, OSError) as error:
        raise MedVLPError(f"{file} cannot be read: {error}.", "Train that model again, or install it again.") from error
    own = network.state_dict()
    fitting = {k: v for k, v in other.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise MedVLPError(f"No weights in {file} fit this model.", "Use the encoder and channels it was made with.")
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))
