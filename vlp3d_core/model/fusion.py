"""Image tokens and texts that look at each other (cross-attention)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def image_tokens(coarse: Tensor) -> Tensor:
    """An encoder's coarsest map, (B, C, I, J, K) → tokens (B, I·J·K, C)."""
    return coarse.flatten(2).transpose(1, 2)


class Fusion(nn.Module):
    """Tokens gather what a context says and keep their own content beside it.

    What is pooled afterwards are the tokens. Where they are the image's and the context is a report, a study can still
    be told by the report that flowed in: a control with shuffled images shows how far.

    Args:
        token_width, context_width: of what comes in.
        width: of attention and result.
    """

    def __init__(self, token_width: int, context_width: int, width: int = 128, heads: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Linear(token_width, width)
        self.context = nn.Linear(context_width, width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, token_width), (B, M, context_width) and (B, M), 1 where there is context → (B, N, width)."""
        own, other = self.tokens(tokens), self.context(context)
        absent = None if mask is None else mask == 0
        said, _ = self.attention(own, other, other, key_padding_mask=absent, need_weights=False)
        own = self.norm(own + said)
        return torch.as_tensor(own + self.mix(own))


class ImageAnswer(nn.Module):
    """What an image answers to each sentence: the text asks, and all content comes from image tokens.

    Only the weights of the attention depend on the text, so nothing that is said reaches the answer without the image.

    Args:
        image_width, text_width: of what comes in.
        width: of attention and result.
    """

    def __init__(self, image_width: int, text_width: int, width: int = 128, heads: int = 4) -> None:
        super().__init__()
        self.image = nn.Linear(image_width, width)
        self.text = nn.Linear(text_width, width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, text: Tensor) -> Tensor:
        """Image tokens (B, N, image_width) and texts (B, S, text_width) → (B, S, width)."""
        content = self.image(tokens)
        seen, _ = self.attention(self.text(text), content, content, need_weights=False)
        return torch.as_tensor(self.norm(seen))
