"""Words: a text becomes a list of tokens in one spelling (lower case, singular, American), lists and all else kept."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

from vlp3d_core.text.labels import written_out

LONGEST = 2000
"""Characters of a prompt that are read; nobody names structures in more."""

_SPINE_LETTERS = frozenset({"c", "t", "th", "d", "l", "s"})
_SYMBOLS = str.maketrans(  # typographic apostrophes, dashes and the minus sign, as they come from word processors
    {
        **{"\u2019": "'", "\u2018": "'", "`": "'", "\u2013": "-", "\u2014": "-", "\u2212": "-", "_": " "},
        **{"\u0153": "oe", "\u00e6": "ae"},
    }
)
_PIECES = re.compile(r"[^\W_]+|[,;:.!?()\[\]{}/|&+\n\"]|-")
_SEPARATORS = {"&": "and", "+": "and", ":": ":", **dict.fromkeys(".!?;\n", ".")}
_ENUMERATION = re.compile(r"\s*1[.)]\s.*\s2[.)]\s", re.DOTALL)
_ABBREVIATED = re.compile(
    r"\b(lt|rt|l|r|sin|dext|dex|no|nr|gl|gld|li|inf|sup|ant|post|int|ext|comm|maj|min|med|glut|nucl|sp|musc|vert"
    r"|lat|mand|vent|ventr|enceph|cereb|cerebr|hipp|hippo|amygd|caud|thal|cort|gland|parot|esoph|oesoph|spin|hemisph)"
    r"\.(?=[\s)\]]|$|[^\W\d_]{3})"
)
_LATIN = re.compile(r"\b(aa|vv|mm|nn|a|v|m|n)\.\s*(?=[^\W\d])")
"""Of a Latin name ("M. iliopsoas"); else an "a." would be an article, and "a. renalis" the kidney."""
_LEVEL_FIRST = re.compile(r"\b(\d{1,2}|i{1,3}|iv)\.\s*(?=(?:ventri[kc]|rippe|hals|brust|lenden|wirbel))")
"""German ordinals ("3. Ventrikel")."""
_ORDINAL_JOINED = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)(?=[a-z]{4})")
"""Of a label ("3rdVentricle")."""
_ELISIONS = re.compile(r"\b(?:l|d|dell|nell|all|dall|sull|un)'\s*(?=\w)")
"""French and Italian articles ("l'estomac"); an "i'd" has its letter before."""
_TAGS = re.compile(r"[(\[]\s*(oars?|organ|bone|os|gland|muscle|vessel|artery|vein|nerve|cartilage)\s*[)\]]")
"""What stands in brackets behind a name and says only what kind of thing it is."""


_STUDY = re.compile(
    r"\b(?:on|in|from)\s+(?:(?:this|the|my|a|an|our)\s+)?(?:abdominal|chest|thoracic|pelvic|head|brain|cranial|neck)"
    r"\s+(?:ct|mri|mr|scan)(?:\s+(?:scan|image|study|volume))?\b"
)
"""What is looked at ("on this abdominal CT"), which names no structure."""


@dataclass(frozen=True)
class Token:
    """A word in its common form, and how the user wrote it; or a separator ("and", ",", ".")."""

    word: str
    raw: str
    kind: Literal["word", "separator"] = "word"


@cache
def words() -> Mapping[str, Any]:
    """The word lists of words.json: stopwords, fillers, sides, negators, plurals, ordinary words, ..."""
    document: dict[str, Any] = json.loads(files("vlp3d_core.text").joinpath("words.json").read_text(encoding="utf-8"))
    return document


def tokenise(text: str) -> list[Token]:
    """Tokens of a text, in order. Ranges are written out ("L1-L3" gives L1, L2, L3 with commas between them)."""
    plain = _plain(text[:LONGEST])
    tokens: list[Token] = []
    for raw in _PIECES.findall(plain):
        if raw == "-":
            tokens.append(Token("-", "-", "separator"))
        elif not raw[0].isalnum():
            tokens.append(Token(_SEPARATORS.get(raw, ","), raw, "separator"))
        elif raw in _lists():
            tokens.append(Token(_lists()[raw], raw, "separator"))
        else:
            tokens.append(Token(common_form(raw), raw))
    return _drop_articles(_drop_hyphens(_ranges(_levels(tokens))))


def plain_words(text: str) -> tuple[str, ...]:
    """Common forms of the words of a text without separators: how lexicon entries are made."""
    return tuple(t.word for t in tokenise(text) if t.kind == "word")


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    text = written_out(text, words()["label_categories"], words()["label_letters"]).translate(_SYMBOLS)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"\bre(?:\.(?=\s|$)|$)", "rechts", text)
    text = _LATIN.sub(lambda match: f"{words()['latin'][match[1]]} ", text)
    text = _ORDINAL_JOINED.sub(r"\1 ", _LEVEL_FIRST.sub(r"\1 ", _ABBREVIATED.sub(r"\1 ", text)))
    text = _TAGS.sub(r" \1 ", text).replace("w/o", " without ").replace("and/or", " and ")
    text = re.sub(r"\s-+\s(?!(?:th|[ctld])?\d)", " , ", text)
    if _ENUMERATION.match(text):
        text = re.sub(r"(?:^|(?<=\s))\d{1,2}[.)]\s", " , ", text)
    text = re.sub(r"'s\b|'", "", _ELISIONS.sub("", text))
    text = _STUDY.sub("", text)
    return _rewrites()[0].sub(lambda match: _rewrites()[1][" ".join(re.split(r"[\s-]+", match[0]))], text)


@cache
def _rewrites() -> tuple[re.Pattern[str], dict[str, str]]:
    table: dict[str, str] = words()["rewrites"]
    longest_first = sorted(table, key=len, reverse=True)
    phrases = "|".join(re.escape(phrase).replace("\\ ", r"[\s-]+") for phrase in longest_first)
    return re.compile(rf"\b(?:{phrases})\b"), table


@cache
def _lists() -> dict[str, str]:
    return {word: kind for kind, members in words()["lists"].items() for word in members}


@lru_cache(maxsize=8192)
def common_form(word: str) -> str:
    """Singular, American, numbers as digits: "vertebrae" → "vertebra", "oesophageal" → "esophageal", "third" → "3"."""
    number = words()["numbers"].get(word)
    if number:
        return str(number)
    word = words()["aliases"].get(word, word)
    ordinal = re.fullmatch(r"(\d+)(st|nd|rd|th)", word)
    if ordinal:
        return ordinal[1]
    return _american(_singular(word))


def _singular(word: str) -> str:
    if word in words()["plurals"]:
        return str(words()["plurals"][word])
    if len(word) <= 3 or word in words()["not_plural"] or word[-1] not in "sei":
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("ae", "a")):
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _american(word: str) -> str:
    if len(word) >= 6:
        word = word.replace("oe", "e").replace("ae", "e")
        word = re.sub(r"our$", "or", word)
    return {"grey": "gray", "fibre": "fiber", "centre": "center", "disk": "disc"}.get(word, word)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without the ending of a verb's form: in a description, "controlled" and "controlling" are one word."""
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and base[-1] != "e" and re.search("[aeiouy]", base):
            word = re.sub("i$", "y", base)
            break
    if len(word) > 3:
        word = word.removesuffix("e")
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _levels(tokens: list[Token]) -> list[Token]:
    """Joins "L 5", "L-5" and "vertebra T 12" into "l5" and "t12"."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        j = i + 2 if i + 1 < len(tokens) and tokens[i + 1].word == "-" else i + 1
        if tokens[i].raw in _SPINE_LETTERS and j < len(tokens) and tokens[j].raw.isdigit():
            out.append(Token(tokens[i].raw + tokens[j].raw, tokens[i].raw + tokens[j].raw))
            i = j + 1
        else:
            out.append(tokens[i])
            i += 1
    return out


def _ranges(tokens: list[Token]) -> list[Token]:
    """Writes out "L1 - L3", "L1 to 3" and "3 through 5"; both ends must fit together and span at most 24."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        if i + 2 < len(tokens) and (tokens[i + 1].raw == "-" or tokens[i + 1].raw in words()["through"]):
            written = _span(tokens[i].word, tokens[i + 2].word)
            if written:
                for word in written:
                    out += [Token(",", ",", "separator"), Token(word, word)]
                del out[-2 * len(written)]
                i += 3
                continue
        out.append(tokens[i])
        i += 1
    return out


def _span(first: str, last: str) -> list[str]:
    a, b = re.fullmatch(r"(c|t|th|l|d)?(\d{1,2})", first), re.fullmatch(r"(c|t|th|l|d)?(\d{1,2})", last)
    if not a or not b or (b[1] and a[1] != b[1]) or not 0 < int(b[2]) - int(a[2]) <= 24:
        return []
    return [f"{a[1] or ''}{n}" for n in range(int(a[2]), int(b[2]) + 1)]


def _drop_hyphens(tokens: list[Token]) -> list[Token]:
    return [t for t in tokens if t.word != "-"]


def _drop_articles(tokens: list[Token]) -> list[Token]:
    """Without a "la" that has a name behind it ("la vejiga"); elsewhere it is the left atrium."""
    beside = {*words()["fillers"], *words()["prepositions"], "appendage", "appendages"}
    following = [*tokens, Token("", "", "separator")][1:]
    return [
        token
        for token, after in zip(tokens, following, strict=True)
        if token.raw != "la" or after.kind == "separator" or after.raw in beside or after.word in _english_sides()
    ]


@cache
def _english_sides() -> frozenset[str]:
    return frozenset({"left", "right", "both", "l", "r", "lt", "rt", "bilateral"})
