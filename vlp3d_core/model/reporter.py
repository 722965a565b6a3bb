"""Reports from a whole volume: an encoder, whose coarsest map a small language model looks at while it writes.

The language model is GPT-2's architecture (Radford et al. 2019, in transformers) with cross-attention, from scratch: no
weights of anybody's are in it, so all that it knows was in the reports of its training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from monai.networks.blocks.pos_embed_utils import build_sincos_position_embedding
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import sha256_of
from vlp3d_core.model.encoders import Encoder, build_encoder
from vlp3d_core.model.saved import Sees, load_network, save_network
from vlp3d_core.text.encoder import quiet_transformers
from vlp3d_core.text.report.pieces import BEGIN, END, PAD, Pieces

STEM = "reporter"
PIECES = f"{STEM}-pieces.json"


class Reporter(nn.Module):
    """Writes the pieces of a report one after the other, each by the volume and by those before.

    Args:
        vocabulary: number of different pieces.
        length: pieces of the longest report, BEGIN and END among them.
        width: channels of the language model, a multiple of 6 (sine and cosine along three axes) and of `heads`.
        layers, heads: of the language model.
        dropout: of the language model, in training.
        encoder, encoder_options: name in `ENCODERS` and its keyword arguments.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
        encoder: str = "residual-unet",
        encoder_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.width, self.length = width, length
        self.encoder: Encoder = build_encoder(encoder, **dict(encoder_options or {}))
        self.project = nn.Sequential(nn.Linear(self.encoder.channels[-1], width), nn.LayerNorm(width))
        config = GPT2Config(
            vocab_size=vocabulary,
            n_positions=length,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            add_cross_attention=True,
            tie_word_embeddings=False,  # safetensors keeps no tensor under two names
            pad_token_id=PAD,
            bos_token_id=BEGIN,
            eos_token_id=END,
        )
        self.language = GPT2LMHeadModel(config)

    @property
    def stride(self) -> int:
        """Images must have edge lengths that are multiples of this."""
        return self.encoder.stride

    def tokens(self, image: Tensor) -> Tensor:
        """(B, 1, I, J, K) normalised images → (B, T, width): each element of the coarsest map with its place."""
        features = self.encoder(image)[-1]
        projected: Tensor = self.project(features.flatten(2).transpose(1, 2).float())
        return projected + _places(tuple(features.shape[2:]), self.width).to(projected)

    def forward(self, image: Tensor, pieces: Tensor) -> Tensor:
        """(B, 1, I, J, K) and (B, L) pieces → logits (B, L, V): at each place for the piece that follows it."""
        out: Tensor = self.language(
            input_ids=pieces,
            attention_mask=torch.ones_like(pieces),  # no place looks at later ones, and so none at what is padded
            encoder_hidden_states=self.tokens(image),
            use_cache=False,
        ).logits
        return out

    @torch.inference_mode()
    def write(self, image: Tensor) -> list[list[int]]:
        """(B, 1, I, J, K) → the pieces of B reports, always the likeliest one next, up to END or `length`."""
        begin = torch.full((len(image), 1), BEGIN, device=image.device)
        with quiet_transformers():
            out = self.language.generate(
                begin,
                attention_mask=torch.ones_like(begin),
                encoder_hidden_states=self.tokens(image),
                max_length=self.length,
                do_sample=False,
                num_beams=1,
            )
        written: list[list[int]] = out.tolist()
        return written


@cache
def _places(grid: tuple[int, ...], width: int) -> Tensor:
    """(1, T, width): sines and cosines of the indices along each axis, the last axis fastest."""
    places: Tensor = build_sincos_position_embedding(list(grid), width).data
    return places


@dataclass(frozen=True)
class SavedReporter(Sees):
    """A model that writes reports, with what it wants to see.

    Attributes:
        model: in evaluation mode, on the CPU.
        card: task, architecture, spacing, field, normalisation, modality, pieces, recipe.
        pieces: its vocabulary.
    """

    model: Reporter
    card: dict[str, Any]
    pieces: Pieces


def save_reporter(folder: Path, model: Reporter, card: dict[str, Any]) -> None:
    """Write `reporter.safetensors` and `reporter.json` beside the vocabulary, which the run wrote when it began."""
    save_network(folder, STEM, model.state_dict(), {**card, "pieces": sha256_of(folder / PIECES)})


def load_reporter(folder: str | Path) -> SavedReporter:
    """Open a finished run.

    Raises:
        MedVLPError: no model of reports there, or weights or a vocabulary that are not those of its card.
    """
    folder = Path(folder)
    command = "vlp3d finetune report-small"
    model, card = load_network(folder, STEM, Reporter, "model that writes reports", command)
    path = folder / PIECES
    if not path.is_file() or sha256_of(path) != card.get("pieces"):
        raise MedVLPError(f"{path} is missing or not that of its card.", f"Run `{command}` again.")
    return SavedReporter(model, card, Pieces.read(path))
