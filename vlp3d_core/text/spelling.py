"""Spelling: a word is corrected only when one known word is clearly meant; ordinary English words are left alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files

from vlp3d_core.text.concepts import ambiguous, concepts, foreign
from vlp3d_core.text.descriptions import described_words
from vlp3d_core.text.lexicon import dropped, fillers, key_of, lexicon, side_words
from vlp3d_core.text.words import common_form, plain_words, stem, words

_ENDINGS = re.compile(
    "(?:itis|oma|ectomy|otomy|ostomy|oscopy|ography|opathy|algia|osis|emia|plasty|ology|ologist|megaly|ectasis|gram)s?$"
)
"""Of diseases, operations and studies."""
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
FAR = 7
"""Letters of a word from which a misspelling of it is no English word."""


@cache
def known_words() -> frozenset[str]:
    """Every word that means something to the parser, in its common form."""
    negators = frozenset(words()["negators"]) | {w for p in words()["negating_phrases"] for w in p.split()}
    glue = dropped() | fillers() | negators | frozenset(side_words()) | frozenset(words()["side_nouns"])
    return lexicon().vocabulary | glue | described_words() | frozenset(words()["classes"])


def is_known(word: str) -> bool:
    """Whether a word means something, be it as another form of a verb of a description ("swallowed")."""
    return word in known_words() or (word.endswith(("ing", "ed")) and stem(word) in _described_stems())


@cache
def _described_stems() -> frozenset[str]:
    return frozenset(root for word in described_words() if len(root := stem(word)) > 3)


@cache
def _targets() -> tuple[str, ...]:
    """Words that a misspelling may be corrected to; those of other languages where they are long."""
    usual = frozenset(w for w in lexicon().vocabulary if len(w) >= 4 and w.isalpha())
    usual |= frozenset(w for w in fillers() if len(w) >= 6 and w.isalpha())
    usual |= frozenset(w for w, one in words()["plurals"].items() if len(w) > FAR and one in usual)
    short = frozenset(word for word in _foreign() if len(word) < FAR)
    return tuple(sorted((usual - short) | {"left", "right", "bilateral", "third", "fourth"}))


@cache
def _vocabulary() -> tuple[str, ...]:
    return tuple(sorted(lexicon().vocabulary))


@cache
def _foreign() -> frozenset[str]:
    """Words of names in other languages that no other name has."""
    own = (word for c in concepts().values() for word in (c.name, *c.synonyms))
    names = (name for table in foreign().values() for row in table.values() for name in row)
    words_of = [frozenset(word for name in some for word in plain_words(name)) for some in (names, own)]
    return words_of[0] - words_of[1]


@cache
def _ordinary() -> frozenset[str]:
    """Real words within reach of a known one ("lever", "humorous"): never corrected."""
    text = files("vlp3d_core.text").joinpath("ordinary.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text))


@cache
def _ambiguous() -> frozenset[str]:
    """Words with several meanings are none misspelt ("neurit")."""
    return frozenset(word for phrase in ambiguous() for word in plain_words(phrase))


@lru_cache(maxsize=4096)
def correct(word: str) -> tuple[str, ...]:
    """The known words that an unknown word stands for, () when none is clearly meant.

    One edit (swap of neighbours included) from 5 letters on, two from 8 letters on, and from 6 where the letters are
    the right ones ("glubos"); a 4-letter word may only have lost a letter or swapped two. Two known words written as
    one are taken apart ("spinalcord", "ParotidL", "LParotid").
    """
    if not word.isalpha() or len(word) < 4 or len(word) > 40 or word in _ordinary() or word in _ambiguous():
        return ()
    if word[-1] in "lr" and _has_sides(word[:-1]):
        return word[:-1], word[-1]
    if word[0] in "lr" and len(word) > 4 and _has_sides(word[1:]):
        return word[0], word[1:]
    if name := _apart(word, whole=True) or _run_together(word):
        return name
    # Not at the top: Slicer's panel reads the concepts before the user has installed anything.
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    limit = 2 if len(word) >= 6 else 1
    reach = process.extract(word, _targets(), scorer=OSA.distance, score_cutoff=limit, limit=12)
    near = [(target, int(distance)) for target, distance, _ in reach if _likely(word, target, int(distance))]
    near = [row for row in near if row[0] not in _foreign()] or near
    if near:
        least = min(distance for _, distance in near)
        best = {common_form(t) for t in _likeliest(word, {target for target, far in near if far == least})}
        return (min(best),) if len({_meaning(target) for target in best}) == 1 else ()
    return _apart(word)


def _likeliest(word: str, best: set[str]) -> set[str]:
    """Without those that begin with a wrong letter, and forms of a word beside the one that means something alone."""
    best = {target for target in best if target[0] == word[0] or len(target) != len(word)} or best
    alone = {target[:FAR] for target in best if (target,) in lexicon().entries}
    return {target for target in best if (target,) in lexicon().entries or target[:FAR] not in alone}


def _has_sides(*name: str) -> bool:
    entry = lexicon().entries.get(key_of(name))
    return entry is not None and not entry.group and bool(entry.resolve(frozenset({"left"})))


def _meaning(word: str) -> tuple[str, ...]:
    """What a word means alone; words with the same meaning are no rivals ("spleen", "splen")."""
    entry = lexicon().entries.get((word,))
    return entry.resolve(frozenset()) if entry else (word,)


def _likely(word: str, target: str, distance: int) -> bool:
    ending = _ENDINGS.search(word)
    if ending and not target.endswith(ending[0]):
        return False  # "parotitis" is no parotis
    if len(word) == 4:
        return _slipped(word, target)
    if distance == 2:
        return word[0] == target[0] and (_same_letters(word, target) or len(target) >= 8 <= len(word))
    return len(target) >= 5 or (len(word) == 5 and word[0] == target[0])


def _same_letters(word: str, target: str) -> bool:
    """All letters are the target's, in another order; of a long one one may be lost ("membrna")."""
    lost = Counter(target) - Counter(word)
    return not Counter(word) - Counter(target) and lost.total() <= (len(target) >= 8)


def _slipped(word: str, target: str) -> bool:
    """A letter was lost or two were swapped; another letter would make a short word another word."""
    return len(target) == len(word) + 1 or sorted(word) == sorted(target)


def _mistyped(word: str, target: str) -> bool:
    """A letter was doubled, or the key beside the right one was hit ("spinal cird")."""
    if word in _ordinary():
        return False
    if len(word) == len(target) + 1:
        return any(word[i] == word[i - 1] and word[:i] + word[i + 1 :] == target for i in range(1, len(word)))
    wrong = ["".join(pair) for pair in zip(word, target, strict=False) if pair[0] != pair[1]]
    beside = any(pair in row or pair in row[::-1] for row in _KEYS for pair in wrong)
    return len(word) == len(target) and len(wrong) == 1 and beside


def _apart(word: str, whole: bool = False) -> tuple[str, ...]:
    """Two known words that make it up; `whole`: that are a name together ("eyelens", "seminalves")."""
    known = lexicon().vocabulary | frozenset(side_words())
    for cut in range(3 if whole else 4, len(word) - 2):
        first, second = common_form(word[:cut]), common_form(word[cut:])
        if first in known and second in known and (not whole or key_of((first, second)) in lexicon().entries):
            return first, second
    return ()


def _run_together(word: str) -> tuple[str, ...]:
    """Words of one name without spaces, with a side in front or behind ("inferiorvenacava", "adrenalglandlt")."""
    for side in sorted(words()["label_sides"], key=len, reverse=True):
        rest = word.removesuffix(side) if word.endswith(side) else word.removeprefix(side)
        if rest != word and len(rest) >= 4 and (name := _named(rest)) and _has_sides(*name):
            return (*name, side)
    return _named(word) if len(word) >= 8 else ()


def _named(word: str) -> tuple[str, ...]:
    """Known words of three letters or more that make it up and are a name together, () where there are none."""
    parts: list[list[tuple[str, ...]]] = [[()], *([] for _ in word)]
    known = lexicon().vocabulary
    for stop in range(3, len(word) + 1):
        for start in range(stop - 2):
            piece = common_form(word[start:stop])
            if parts[start] and piece in known:
                parts[stop] += [(*before, piece) for before in parts[start] if len(before) < 4]
    names = [name for name in parts[-1] if key_of(name) in lexicon().entries]
    return min(names, key=len) if names else ()


def _is_strange(word: str) -> bool:
    return word.isalpha() and (not is_known(word) or word in _foreign())


def in_context(content: Sequence[str]) -> tuple[str, ...] | None:
    """The words with one of them respelt so that all together name something; None where nothing is clearly meant.

    Beside other words of the name, a short word or a real one can be a misspelling, too ("lower jwa", "spinel cord"),
    and a long one may be further off ("lateral ventrical").
    """
    strange = [place for place, word in enumerate(content) if _is_strange(word)]
    if len(strange) != 1 or len(content) < 2 or len(content) > lexicon().longest or len(content[strange[0]]) < 3:
        return None
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    word, place = content[strange[0]], strange[0]
    limit, long = (2 if len(word) >= 5 else 1), len(word) > 4 or len(content) > 2
    near = process.extract(word, _vocabulary(), scorer=OSA.distance, score_cutoff=limit, limit=None)
    for distance in range(1, limit + 1):
        likely = [t for t, far, _ in near if far == distance and (long or _slipped(word, t) or _mistyped(word, t))]
        likely = [t for t in likely if t[0] == word[0] or len(t) != len(word) or word not in _ordinary()]
        if distance == 2:
            likely = [t for t in likely if t[0] == word[0] and abs(len(t) - len(word)) < 2]
            likely = [t for t in likely if len(t) > 6 < len(word) or _same_letters(word, t)]
        tried = [(*content[:place], target, *content[place + 1 :]) for target in likely]
        named = [(phrase, lexicon().entries.get(key_of(phrase))) for phrase in tried]
        found = [(phrase, entry) for phrase, entry in named if entry is not None and not entry.group]
        if found:
            return found[0][0] if all(entry.by_side == found[0][1].by_side for _, entry in found) else None
    return None
