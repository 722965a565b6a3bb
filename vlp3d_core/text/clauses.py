"""Cuts a prompt into list items and finds out which of them are negated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlp3d_core.text.lexicon import dropped, fillers
from vlp3d_core.text.phrase import Phrase, phrase_of
from vlp3d_core.text.words import Token, words

ROMAN = frozenset({"i", "ii", "iii", "iv", "v", "vi", "vii", "viii"})


@dataclass(frozen=True)
class Item:
    """One item of a list.

    Attributes:
        phrase: its words.
        tokens: the same, as written.
        joint: the separator before it: "and", "with", ",", ":", "." or "" for the first; "but" or "not" where a
            negation turns.
        negated: it is excluded.
    """

    phrase: Phrase
    tokens: tuple[Token, ...]
    joint: str = ""
    negated: bool = False

    @property
    def raw(self) -> str:
        return " ".join(token.raw for token in self.tokens)

    @property
    def starts_new(self) -> bool:
        """No words are shared with the item before."""
        return self.joint in {"", ".", "but", "not"}

    @property
    def sides_only(self) -> bool:
        return bool(self.phrase.sides) and all(word in fillers() for word in self.phrase.content)


def items_of(tokens: Sequence[Token]) -> list[Item]:
    """List items in order. Items without any word that matters ("please show me") are left out."""
    items: list[Item] = []
    current: list[Token] = []
    joint, negated, before = "", False, 0

    def close(next_joint: str) -> None:
        nonlocal current, joint
        phrase = phrase_of(current)
        if phrase.sides or any(word not in fillers() for word in phrase.content):
            items.append(Item(phrase, tuple(current), joint, negated))
            joint = next_joint
        elif next_joint in {".", "but", "not"} or not joint:
            joint = next_joint if items else ""
        current = []

    i = 0
    while i < len(tokens):
        token = tokens[i]
        length = _negator(tokens, i)
        if length:
            close("not")
            negated, before = True, len(items)
        elif token.word in words()["negators"]:
            pass  # "no. 4" is a number
        elif token.kind == "separator":
            close(token.word)
            negated = negated and token.word not in {".", "but"}
        elif negated and token.word in words()["resets"]:
            if current or len(items) > before:
                close("but")
                negated = False
        elif _is_verb(tokens, i, current):
            pass
        else:
            current.append(token)
        i += max(length, 1)
    close("")
    return items


def _is_verb(tokens: Sequence[Token], i: int, before: Sequence[Token]) -> bool:
    """ "Segment the liver", "please segment liver": not a segment of the liver, as "segment 4" is."""
    if tokens[i].raw != "segment" or any(token.word not in dropped() for token in before) or i + 1 == len(tokens):
        return False
    return not tokens[i + 1].word.isdigit() and tokens[i + 1].word not in ROMAN


def _negator(tokens: Sequence[Token], i: int) -> int:
    """How many tokens from i on say "not"; 0 for none. "no 5" is a number, "nothing but" is left to the reader."""
    pair = " ".join(token.word for token in tokens[i : i + 2])
    if pair in words()["negating_phrases"]:
        return 2
    if tokens[i].kind == "word" and tokens[i].word in words()["negators"]:
        number = i + 1 < len(tokens) and tokens[i + 1].word.isdigit()
        return 0 if number else 1
    return 0
