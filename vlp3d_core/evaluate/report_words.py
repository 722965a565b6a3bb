"""How a report's wording compares with that of its reference: BLEU, ROUGE-L, METEOR without synonyms, CIDEr-D.

Words are lower case, numbers whole, punctuation is dropped, as the COCO evaluation of captions has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from nltk.translate.bleu_score import modified_precision
from nltk.translate.meteor_score import single_meteor_score
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize
from torchmetrics.functional.text.rouge import rouge_score

Floats = NDArray[np.float64]
_WORD = re.compile(r"\w+(?:[.\-']\w+)*")
ORDERS = (1, 2, 3, 4)


def words_of(text: str) -> list[str]:
    """Its words in their order: "A 5.9 cm right-sided mass." → a, 5.9, cm, right-sided, mass."""
    return _WORD.findall(text.lower())


def bleu_counts(written: Sequence[str], reference: Sequence[str]) -> list[float]:
    """What BLEU adds up over studies: for 1 to 4 words the runs found and the runs written, then both lengths."""
    found, total = [], []
    for n in ORDERS:
        share = modified_precision([reference], written, n) if len(written) >= n else None
        found.append(float(share.numerator) if share is not None else 0.0)
        total.append(float(max(len(written) - n + 1, 0)))
    return [*found, *total, float(len(written)), float(len(reference))]


def bleu(counts: Floats, order: int) -> Floats:
    """BLEU-`order` of summed `bleu_counts` (R, 10) → (R,), not smoothed (Papineni et al. 2002, equations 1 to 3)."""
    found, total = counts[:, :order], counts[:, 4 : 4 + order]
    written, reference = counts[:, 8], counts[:, 9]
    whole = (found > 0).all(axis=1)
    logs = np.log(np.where(found > 0, found, 1)) - np.log(np.maximum(total, 1))
    brevity = np.minimum(0, 1 - reference / np.maximum(written, 1))
    score: Floats = np.where(whole, np.exp(brevity + logs.mean(axis=1)), 0.0)
    return score


def rouge_l(written: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), by torchmetrics; 0 where one has no words."""
    if not words_of(written) or not words_of(reference):
        return 0.0
    found = rouge_score(written, reference, normalizer=str, tokenizer=words_of, rouge_keys="rougeL")
    return float(found["rougeL_fmeasure"])


class _NoSynonyms:
    """Stands for WordNet, whose data would have to be downloaded."""

    def synsets(self, word: str) -> tuple[()]:
        return ()


def meteor(written: Sequence[str], reference: Sequence[str]) -> float:
    """METEOR (Banerjee and Lavie 2005) with its modules for exact words and stems, without synonyms, by NLTK."""
    if not written or not reference:
        return 0.0
    return float(single_meteor_score(reference, written, wordnet=_NoSynonyms()))


def most_typical(reports: Sequence[str]) -> str:
    """The report that is most like all of them: whose runs of 1 to 4 words have the highest mean cosine to theirs.

    Args:
        reports: one at least.
    """
    if not any(map(words_of, reports)):
        return reports[0]
    counter = CountVectorizer(tokenizer=words_of, token_pattern=None, lowercase=False, ngram_range=(1, 4))
    vectors = normalize(counter.fit_transform(reports).astype(float))
    likeness = vectors @ np.asarray(vectors.sum(axis=0)).ravel()
    return reports[int(np.argmax(likeness))]
