"""Volumes and their reports as pairs to pretrain on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vlp3d_core.model.alignment import padded
from vlp3d_core.train.store import Stored
from vlp3d_core.volume.cut import cut


@dataclass(frozen=True)
class Text:
    """A report as numbers.

    Attributes:
        sentences: (S, T) vectors from the frozen text encoder.
        tokens: (S, L) token ids of the same sentences; None for methods that predict no words.
    """

    sentences: NDArray[np.float32]
    tokens: NDArray[np.int64] | None = None


class PairDataset(Dataset[dict[str, Any]]):
    """Crops with the sentences of their report; item n is the same for the same seed whatever was drawn before.

    Every study occurs once before any occurs again, so that a batch does not hold one twice.

    Args:
        stored: preprocessed volumes.
        texts: each one's report, in the form that the batch's collate function takes: `Text` for `join`.
        patch: size of a crop in voxels.
        seed: with the index decides the order and the crop; None always gives study n, cut in its middle.
        shuffle: a control, see `PretrainConfig.shuffle`.
    """

    def __init__(
        self,
        stored: Sequence[Stored],
        texts: Sequence[Any],
        patch: Sequence[int],
        seed: int | None,
        shuffle: str = "",
    ) -> None:
        self.stored, self.texts, self.patch, self.seed = stored, texts, tuple(patch), seed
        other = derangement(len(stored), seed or 0)
        same = np.arange(len(stored))
        self.image_of = other if shuffle == "images" else same
        self.text_of = other if shuffle == "captions" else same

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> dict[str, Any]:
        study = place_in_rounds(index, len(self.stored), self.seed)
        stored = self.stored[self.image_of[study]]
        centre = crop_centre(stored.image.shape, self.patch, index, self.seed)
        crop = cut(stored.image, centre, self.patch, -1.0).astype(np.float32)
        return {
            "image": torch.from_numpy(crop)[None],
            "text": self.texts[self.text_of[study]],
            "subject": stored.case.subject,
        }


def place_in_rounds(index: int, count: int, seed: int | None) -> int:
    """Which of `count` volumes item `index` is of: every one once before any occurs again, in orders of the seed.

    Without a seed item n is volume n.
    """
    round_, place = divmod(index, count)
    return place if seed is None else int(_order(seed, round_, count)[place])


def crop_centre(shape: Sequence[int], patch: Sequence[int], index: int, seed: int | None) -> NDArray[np.intp]:
    """Where item `index` is cut: without a seed in the middle, else anywhere, or a little off where it is small."""
    middle = np.array(shape) // 2
    if seed is None:
        return middle
    slack = np.maximum((np.array(shape) - np.array(patch)) // 2, 2)
    return middle + np.random.default_rng((seed, index)).integers(-slack, slack + 1)


def join(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch: image (B, 1, I, J, K), sentences (B, S, T) with their mask (B, S), tokens (B, S, L), subject."""
    texts: list[Text] = [item["text"] for item in items]
    sentences, mask = padded([text.sentences for text in texts])
    batch = {
        "image": torch.stack([item["image"] for item in items]),
        "sentences": sentences,
        "mask": mask,
        "subject": [item["subject"] for item in items],
    }
    tokens = [torch.from_numpy(text.tokens) for text in texts if text.tokens is not None]
    if tokens:
        batch["tokens"] = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    return batch


def derangement(count: int, seed: int) -> NDArray[np.intp]:
    """A permutation that leaves nothing in its place (but for a single element)."""
    order = np.random.default_rng((seed, count)).permutation(count)
    moved = np.empty(count, np.intp)
    moved[order] = np.roll(order, 1)
    return moved


def _order(seed: int, round_: int, count: int) -> NDArray[np.intp]:
    return np.random.default_rng((seed, 7, round_)).permutation(count).astype(np.intp)
