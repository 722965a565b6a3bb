"""Where an image-to-text model's files are, and that they can be opened without running anything."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import sha256_of

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
NEEDED = ["*.json", "*.txt", "*.model", "*.jinja", "model*.safetensors"]


def find_folder(name: str, download: bool = False) -> Path:
    """The folder of a model: `name` itself, or what the hub's local cache has of it.

    Args:
        download: fetch it from the Hugging Face hub where it is not in the cache: configuration, tokenizer and
            safetensors; no code, no pickled weights.

    Raises:
        UsageError: there is no such folder, and no such model in the cache (or on the hub).
        MedVLPError: the folder has no weights that can be opened safely.
    """
    try:
        is_folder = bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # a name that no file could have
        is_folder = False
    folder = Path(name) if is_folder else _from_hub(name, download)
    _check(folder, name)
    return folder


def fingerprint(folder: Path) -> str:
    """Twelve hexadecimal digits of the hash of configuration and weights: which model wrote a caption."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("model*.safetensors")]):
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()[:12]


def _from_hub(name: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        # Only files at the top: folders hold the same model for other programs.
        found = snapshot_download(name, allow_patterns=NEEDED, ignore_patterns="*/*", local_files_only=not download)
    except Exception as error:  # spelling, network, permission, nothing in the cache
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        if download:
            raise UsageError(
                f"{name} is no folder, and could not be downloaded: {reason}.", "Check the name and the network."
            ) from error
        raise UsageError(
            f"{name} is no folder, and no model in the local cache of the Hugging Face hub.",
            "Check the name, or fetch it from the hub with --download.",
        ) from error
    return Path(found)


def _check(folder: Path, name: str) -> None:
    if not (folder / "config.json").is_file():
        raise MedVLPError(f"{name} has no config.json.", "Name a folder as transformers' save_pretrained writes it.")
    if any((folder / weights).is_file() for weights in WEIGHTS):
        return
    if any(path for pattern in PICKLED for path in folder.glob(pattern)):
        raise MedVLPError(
            f"The weights of {name} are pickled, and loading them could run any program.",
            "Choose a version with model.safetensors, or convert it where you trust it (save_pretrained does).",
        )
    raise MedVLPError(f"{name} has no weights.", f"{WEIGHTS[0]} must lie in the folder.")
