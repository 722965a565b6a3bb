"""The student of the text tower's distillation: how it is made from its teacher, what it aims at, how it is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import BertConfig, BertModel

from vlp3d_core.progress import Progress, silent
from vlp3d_core.text.encoder import mean_pool, quiet_transformers
from vlp3d_core.text.phrases import Phrase


@dataclass(frozen=True)
class Recipe:
    """The options of `recipes/text_tower.yaml`, explained there."""

    seed: int
    layers: int
    vocabulary: int
    positions: int
    per_name: int
    held_out_per_name: int
    general: int
    words: int
    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    similarity_weight: float
    consensus: float


def agreed(targets: NDArray[np.float32], phrases: Sequence[Phrase], consensus: float) -> NDArray[np.float32]:
    """Move the targets (N, D) of phrases that name a concept towards the mean of that concept's phrases.

    The teacher scatters "renal, left" and "show me the left kidney" by their wording; the share `consensus` (0 to 1) of
    the mean takes some of that away, so that the student tells concepts apart better than its teacher. Unit vectors.
    """
    moved = targets.copy()
    rows: dict[str, list[int]] = {}
    for row, phrase in enumerate(phrases):
        if phrase.concept:
            rows.setdefault(phrase.concept, []).append(row)
    for members in rows.values():
        center = targets[members].mean(0)
        moved[members] = (1 - consensus) * targets[members] + consensus * center / np.linalg.norm(center)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def make_student(teacher: Path, kept: dict[str, int], layers: int, positions: int) -> BertModel:
    """A BERT with the teacher's width and some of its weights: kept word vectors, first positions, spaced layers."""
    with quiet_transformers():
        source = BertModel.from_pretrained(
            teacher, local_files_only=True, use_safetensors=True, add_pooling_layer=False
        )
    config = BertConfig.from_dict(source.config.to_dict())
    config.vocab_size, config.num_hidden_layers, config.max_position_embeddings = len(kept), layers, positions
    student = BertModel(config, add_pooling_layer=False)
    # The first and the last layer do most of the work of reading and of pooling; the rest is spread between them.
    chosen = np.linspace(0, source.config.num_hidden_layers - 1, layers).round().astype(int).tolist()
    with torch.no_grad():
        rows = torch.tensor(list(kept.values()))
        student.embeddings.word_embeddings.weight.copy_(source.embeddings.word_embeddings.weight[rows])
        student.embeddings.position_embeddings.weight.copy_(source.embeddings.position_embeddings.weight[:positions])
        student.embeddings.token_type_embeddings.load_state_dict(source.embeddings.token_type_embeddings.state_dict())
        student.embeddings.LayerNorm.load_state_dict(source.embeddings.LayerNorm.state_dict())
        for own, taken in enumerate(chosen):
            student.encoder.layer[own].load_state_dict(source.encoder.layer[taken].state_dict())
    return student


def loss_of(student: torch.Tensor, teacher: torch.Tensor, similarity_weight: float) -> torch.Tensor:
    """Cosine distance of unit vectors (N, D) to the teacher's, and squared error of the (N, N) similarity matrices.

    The matrix term is scaled by √N, which brings it to the size of the cosine term for the usual batch.
    """
    cosine = (1.0 - (student * teacher).sum(-1)).mean()
    similarity = functional.mse_loss(student @ student.T, teacher @ teacher.T)
    return cosine + similarity_weight * similarity * math.sqrt(len(student))


def train_student(
    student: BertModel, tokenizer: Any, texts: Sequence[str], targets: NDArray[np.float32], recipe: Recipe,
    progress: Progress = silent,
) -> None:  # fmt: skip
    """Fit the student in place to the targets (N, D) of the texts: AdamW, linear warm-up, cosine decay."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    tokens = tokenizer(list(texts), truncation=True, max_length=recipe.positions)["input_ids"]
    wanted = torch.from_numpy(targets)
    optimizer = torch.optim.AdamW(
        student.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )

    def rate(step: int) -> float:
        if step < recipe.warmup:
            return (step + 1) / recipe.warmup
        return 0.5 * (1 + math.cos(math.pi * (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    student.eval()  # no dropout: the targets are noiseless and the student is small
    order: list[int] = []
    for step in range(recipe.steps):
        if len(order) < recipe.batch:
            order += torch.randperm(len(texts), generator=generator).tolist()
        rows, order = order[: recipe.batch], order[recipe.batch :]
        padded = tokenizer.pad({"input_ids": [tokens[row] for row in rows]}, return_tensors="pt")
        with torch.autocast("cpu", torch.bfloat16):
            states = student(**padded).last_hidden_state
        loss = loss_of(mean_pool(states, padded["attention_mask"]), wanted[rows], recipe.similarity_weight)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress(f"distilling, loss {loss.item():.4f}", (step + 1) / recipe.steps)
