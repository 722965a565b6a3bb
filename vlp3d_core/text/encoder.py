"""The text encoder: a small BERT-type tower that turns words into vectors, loaded from a local folder, without network.

A vector is the mean of the last hidden states over the attention mask, scaled to length 1 (sentence-transformers'
recipe for all-MiniLM-L6-v2, whose space the embedded tower shares).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import sha256_of

EMBEDDED = Path(__file__).resolve().parent.parent / "bundles" / "text-tower"
WEIGHTS = "model.safetensors"
CARD = "card.json"
REINSTALL = "Install vlp3d-core again, or name another text model folder."


class TextEncoder:
    """Words → vectors. Make one with `TextEncoder.load()`."""

    def __init__(self, model: Any, tokenizer: Any, folder: Path, sha256: str) -> None:
        self._model = model
        self.tokenizer = tokenizer
        self.folder = folder
        self.sha256 = sha256

    @classmethod
    def load(cls, folder: str | Path | None = None, allow_download: bool = False) -> TextEncoder:
        """Load a tower on the CPU, in evaluation mode.

        Args:
            folder: a folder as Hugging Face transformers writes it (config.json, tokenizer files, model.safetensors);
                None is the embedded tower. Where the folder has a `card.json`, the hashes in it are verified before
                any file is opened by transformers.
            allow_download: only with this may `folder` be the id of a model on the Hugging Face hub.

        Raises:
            MedVLPError: folder missing, incomplete, changed since its card was written, or not a BERT-type model.
        """
        place = EMBEDDED if folder is None else Path(folder)
        if not place.is_dir() and folder is not None and allow_download:
            place = _download(str(folder))
        _require_files(place, carded=folder is None)
        digest = _verify(place)
        model, tokenizer = _open(place)
        return cls(model, tokenizer, place, digest)

    @property
    def network(self) -> Any:
        """The transformers model, in evaluation mode; for those who need more than sentence vectors."""
        return self._model

    @property
    def dimension(self) -> int:
        """Length of a vector: 384 for the embedded tower."""
        return int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str], batch: int = 128) -> NDArray[np.float32]:
        """Vectors of texts, shape (len(texts), dimension), float32, each of Euclidean length 1.

        Texts longer than the tower's positions (64 tokens for the embedded one) are cut. Case does not matter to the
        embedded tower.
        """
        import torch

        texts = [texts] if isinstance(texts, str) else list(texts)
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        # Texts of similar length go together, so that little is computed for padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        limit = min(int(self._model.config.max_position_embeddings), int(self.tokenizer.model_max_length), 512)
        with torch.inference_mode():
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                tokens = self.tokenizer(
                    [texts[row] for row in rows], padding=True, truncation=True, max_length=limit, return_tensors="pt"
                )
                vectors[rows] = mean_pool(self._model(**tokens).last_hidden_state, tokens["attention_mask"]).numpy()
        return vectors


def mean_pool(states: Any, mask: Any) -> Any:
    """Mean of states (N, T, D) over the tokens where mask (N, T) is 1, scaled to length 1: tensor (N, D), float32."""
    weight = mask.unsqueeze(-1).float()
    mean = (states.float() * weight).sum(1) / weight.sum(1).clamp(min=1.0)
    return mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def _require_files(folder: Path, carded: bool) -> None:
    if not folder.is_dir():
        raise MedVLPError(
            f"The text model folder {folder} does not exist.",
            REINSTALL if carded else "Name a local folder; a hub id is only taken with allow_download=True.",
        )
    for name in ("config.json", WEIGHTS, *((CARD,) if carded else ())):
        if not (folder / name).is_file():
            raise MedVLPError(f"The text model folder {folder} has no {name}.", REINSTALL)


def _verify(folder: Path) -> str:
    """Compare every file that the card names with its hash there; give the hash of the weights."""
    digest = sha256_of(folder / WEIGHTS)
    card = folder / CARD
    if not card.is_file():
        return digest
    try:
        expected = dict(json.loads(card.read_text(encoding="utf-8"))["sha256"])
        expected[WEIGHTS]
    except (ValueError, KeyError, TypeError) as error:
        raise MedVLPError(f"{card} is not a readable card with hashes.", REINSTALL) from error
    for name, wanted in expected.items():
        path = folder / Path(name).name
        found = digest if name == WEIGHTS else sha256_of(path) if path.is_file() else "missing"
        if found != wanted:
            raise MedVLPError(
                f"{path} is not the file that its card describes (changed, damaged or missing).", REINSTALL
            )
    return digest


def _open(folder: Path) -> tuple[Any, Any]:
    """Model in float32 and tokenizer, from safetensors only."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer, BertModel

    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            options = {"local_files_only": True, "use_safetensors": True}
            # BERT's pooler is not part of mean pooling; leaving it out also leaves out a warning where it is missing.
            model = (
                BertModel.from_pretrained(folder, add_pooling_layer=False, **options)
                if config.model_type == "bert"
                else AutoModel.from_pretrained(folder, **options)
            )
        except Exception as error:  # transformers raises many kinds, from OSError to its parsers' own
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MedVLPError(f"{folder} cannot be loaded as a text model: {reason.rstrip('.')}.", REINSTALL) from error
    return model.float().eval(), tokenizer


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bar and no load report of transformers on the user's terminal; restored afterwards."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _download(name: str) -> Path:
    """Fetch configuration, tokenizer and safetensors of a hub model into the local cache; give the folder."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model", WEIGHTS]))
    except Exception as error:  # network, spelling, permission: all of them mean the same to the user
        raise MedVLPError(
            f"The text model {name} could not be downloaded.", "Check the name and the network, or name a local folder."
        ) from error
