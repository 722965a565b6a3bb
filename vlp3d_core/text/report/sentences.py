"""Sentences of a report, split where a reader would: not at abbreviations, decimals or numbers of a list."""

from __future__ import annotations

import re

ABBREVIATIONS = (
    "e.g", "i.e", "cf", "vs", "approx", "ca", "dr", "prof", "mr", "mrs", "ms", "no", "fig", "st", "resp", "incl",
    "max", "min", "diam", "susp", "s.p", "z.n", "etc", "b.i.d", "a.p", "art", "lig", "m", "n", "v", "a",
)  # fmt: skip
"""Without their last point, lower case. "No." counts only before a number ("No. 3"), else it ends a sentence."""

_LIST = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)](?=\s))\s*")
_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")


def split_sentences(text: str) -> list[str]:
    """Sentences in their order, without list marks; a line break ends a sentence only before a list item, a heading,
    an empty line or a capital after a full stop."""
    sentences: list[str] = []
    for block in _blocks(text):
        start = 0
        for end in _END.finditer(block):
            if _ends(block, end):
                sentences.append(block[start : end.end()].strip())
                start = end.end()
        sentences.append(block[start:].strip())
    return [s for s in sentences if s]


def _blocks(text: str) -> list[str]:
    """Paragraphs and list items, each on one line, without list marks."""
    blocks: list[str] = []
    fresh = True
    for line in text.replace("\r\n", "\n").split("\n"):
        item = _LIST.match(line)
        bare = line[item.end() :].strip() if item else line.strip()
        if not bare:
            fresh = True
        elif fresh or item or _heading(bare):
            blocks.append(bare)
            fresh = _heading(bare)
        else:
            blocks[-1] += " " + bare
    return blocks


def _heading(line: str) -> bool:
    """ "FINDINGS:" or "Impression:" alone on a line."""
    return line.endswith(":") and len(line.split()) <= 3


def _ends(text: str, mark: re.Match[str]) -> bool:
    """Whether the mark at this place ends a sentence."""
    if mark.group()[0] != "." or len(mark.group().rstrip("\"')]")) > 1:
        return True
    before = re.search(r"[\w.]*$", text[: mark.start()])
    word = before.group().lower() if before else ""
    after = text[mark.end() :].lstrip()
    if word == "no":
        return not after[:1].isdigit()
    if word in ABBREVIATIONS or re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):
        return not after
    return True
