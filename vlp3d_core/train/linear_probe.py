"""A linear layer on the features of an encoder that stays as it is: how much a pretraining has made plain.

The protocol of Radford et al. 2021 (CLIP, appendix A.3): logistic regression by L-BFGS, its L2 penalty chosen on
validation. One penalty for all findings, for of a single finding validation holds few volumes.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.classifier import Classifier
from vlp3d_core.progress import Cancel, Progress, check
from vlp3d_core.train.finding_data import FindingDataset, mean_auroc

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""scikit-learn's C, the inverse of the penalty: from strong to weak."""

Floats = NDArray[np.float64]


def fit_linear(
    model: Classifier, train: FindingDataset, validation: FindingDataset, progress: Progress, cancel: Cancel
) -> float:
    """Fit the model's head; give the mean AUROC on validation.

    Raises:
        MedVLPError: of no finding the training volumes show both kinds.
    """
    model.eval()
    features, held_out = (_features(model, data, progress, cancel) for data in (train, validation))
    mean, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
    features, held_out = (features - mean) / spread, (held_out - mean) / spread
    if not any(len(np.unique(column[np.isfinite(column)])) == 2 for column in train.targets.T):
        raise MedVLPError(
            "Of no finding the training volumes hold both volumes with it and volumes without it.",
            "Use more of the labels.",
        )
    best = -1.0
    for strength in PENALTIES:
        weight, bias = _logistic(features, train.targets, strength)
        score = mean_auroc(held_out @ weight.T + bias, validation.targets)
        if score > best:
            best = score
            _put(model, weight / spread, bias - (weight / spread) @ mean)
    return best


@torch.inference_mode()
def _features(model: Classifier, data: FindingDataset, progress: Progress, cancel: Cancel) -> Floats:
    """(N, 2C) of the middle of every volume."""
    rows = []
    for number, batch in enumerate(DataLoader(data, 1), 1):
        check(cancel)
        rows.append(model.features(batch["image"])[0].double().numpy())
        progress("encoding", number / len(data))
    return np.stack(rows)


def _logistic(features: Floats, targets: NDArray[np.float32], strength: float) -> tuple[Floats, Floats]:
    """Weights (F, 2C) and biases (F), each finding from the volumes in which it is known.

    A finding of which these show one kind only, or that nobody knows, gets no weights: the same score for everyone.
    """
    weight, bias = np.zeros((targets.shape[1], features.shape[1])), np.zeros(targets.shape[1])
    for row, target in enumerate(targets.T):
        known = np.isfinite(target)
        if len(np.unique(target[known])) < 2:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a weak penalty need not end within the steps
            fitted = LogisticRegression(C=strength, max_iter=1000).fit(features[known], target[known])
        weight[row], bias[row] = fitted.coef_[0], fitted.intercept_[0]
    return weight, bias


def _put(model: Classifier, weight: Floats, bias: Floats) -> None:
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(weight))
        model.head.bias.copy_(torch.from_numpy(bias))
