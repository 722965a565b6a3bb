"""Sentences as tokens with whole words masked, and what the frozen text tower makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.text.encoder import TextEncoder

if TYPE_CHECKING:
    from torch import Generator, Tensor

IGNORED = -100
"""Label of a token that is not to be predicted, as cross-entropy in PyTorch takes it."""


@dataclass(frozen=True)
class Masked:
    """Token ids with some words masked.

    Attributes:
        ids: (N, L), masked ones replaced.
        labels: (N, L), the true id where it was masked, `IGNORED` elsewhere.
        real: (N, L), 1 where there is a token.
    """

    ids: Tensor
    labels: Tensor
    real: Tensor


class WordMasker:
    """Masks whole words: all the pieces of a word or none.

    Args:
        encoder: whose tokenizer and network are used; both stay as they are.
        part: of the words that is masked (0.15 in BERT and MG-3D); at least one a sentence.
        length: tokens of a sentence that are kept.
    """

    def __init__(self, encoder: TextEncoder, part: float = 0.15, length: int = 48) -> None:
        import torch

        self.part, self.length = part, length
        self._network, self._tokenizer = encoder.network, encoder.tokenizer
        pieces = self._tokenizer.convert_ids_to_tokens(range(self.vocabulary))
        self._continues = torch.tensor([piece.startswith("##") for piece in pieces])
        self._special = torch.tensor(self._tokenizer.all_special_ids)

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        return int(self._network.config.vocab_size)

    def tokens(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """(N, length) token ids, padded."""
        out = self._tokenizer(
            list(sentences), padding="max_length", truncation=True, max_length=self.length, return_tensors="np"
        )
        ids: NDArray[np.int64] = np.asarray(out["input_ids"], np.int64)
        return ids

    def mask(self, ids: Tensor, generator: Generator) -> Masked:
        """Mask words of (N, L) token ids; the generator, on the CPU, decides which."""
        import torch

        real = ids != self._tokenizer.pad_token_id
        plain = real & ~torch.isin(ids, self._special)
        words = (plain & ~self._continues[ids]).cumsum(1)  # number of the word that a token belongs to, from 1
        count = words.amax(1)
        draw = torch.rand((len(ids), int(count.max()) + 1), generator=generator)
        beyond = torch.arange(draw.shape[1])[None] > count[:, None]
        draw[:, 0] = 2.0  # what stands before the first word is no word
        draw[beyond] = 2.0
        chosen = (draw < self.part) | (draw == draw.amin(1, keepdim=True))
        hidden = plain & chosen.gather(1, words)
        return Masked(
            torch.where(hidden, self._tokenizer.mask_token_id, ids),
            torch.where(hidden, ids, IGNORED),
            real.long(),
        )

    def states(self, ids: Tensor, real: Tensor) -> Tensor:
        """(N, L, T): the tower's last hidden states, without gradient."""
        import torch

        with torch.no_grad():
            out: Any = self._network(input_ids=ids, attention_mask=real)
        states: Tensor = out.last_hidden_state.float()
        return states
