"""Image tokens that look at the sentences of a report (cross-attention)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TextFusion(nn.Module):
    """Each image token gathers what the sentences say and keeps its own content beside it.

    The tokens of the image are the queries and what is pooled afterwards; a query made of sentences would carry the
    report alone and tell studies apart without looking at the image.

    Args:
        image_width: C, channels of the encoder's coarsest map.
        text_width: length of a sentence vector.
        width: of tokens and attention.
    """

    def __init__(self, image_width: int, text_width: int, width: int = 128, heads: int = 4) -> None:
        super().__init__()
        self.image = nn.Linear(image_width, width)
        self.text = nn.Linear(text_width, width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, coarse: Tensor, sentences: Tensor, mask: Tensor) -> Tensor:
        """(B, C, I, J, K), (B, S, T) and (B, S), 1 where there is a sentence → (B, I·J·K, width)."""
        tokens = self.image(coarse.flatten(2).transpose(1, 2))
        words = self.text(sentences)
        said, _ = self.attention(tokens, words, words, key_padding_mask=mask == 0, need_weights=False)
        tokens = self.norm(tokens + said)
        return torch.as_tensor(tokens + self.mix(tokens))
