"""Starting a run from the weights of another one."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import WEIGHTS
from vlp3d_core.model.pretrained import WEIGHTS as PRETRAINED
from vlp3d_core.train.trainer import BEST

ENCODER = "encoder."


def start_from(network: nn.Module, folder: Path) -> list[str]:
    """Take over the weights of a run folder or a bundle whose names and shapes agree; of a pretraining run its encoder.

    Returns:
        the names that were not taken over.

    Raises:
        MedVLPError: no weights, or none that fit: another architecture.
    """
    file = weights_in(folder)
    try:
        other = load_file(file)
    except (SafetensorError, OSError) as error:
        raise MedVLPError(f"{file} cannot be read: {error}.", "Train that model again, or install it again.") from error
    own = network.state_dict()
    if file.name == PRETRAINED:  # what it has for texts is made for another purpose
        other = {k: v for k, v in other.items() if k.startswith(ENCODER)}
    fitting = {k: v for k, v in other.items() if k in own and own[k].shape == v.shape}
    # Counters of batches fit anything.
    if not any(k.startswith(ENCODER) and fitting[k].ndim for k in fitting):
        differing = [k for k in other if k.startswith(ENCODER) and k not in fitting]
        raise MedVLPError(
            f"No weights in {file} fit this model's encoder (for example {', '.join(differing[:2]) or 'it has none'}).",
            "Use the encoder and channels it was made with.",
        )
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def weights_in(folder: Path) -> Path:
    """The file of weights that a run starts from.

    Raises:
        MedVLPError: the folder is no run and no bundle, or the run has not ended.
    """
    file = next((f for f in (folder / BEST, folder / WEIGHTS, folder / PRETRAINED) if f.is_file()), None)
    if file is None:
        raise MedVLPError(f"{folder} holds no weights.", "Give a run folder or a bundle folder.")
    return file
