"""Report → facts, by the words of findings.json: what `write_report` wrote comes back exactly.

Free reports are read as far as they use these words; sentences without any of them say nothing. No guess is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.report.facts import Finding, Measured, StudyFacts
from vlp3d_core.text.report.kinds import Kind, kinds, organ_name, plural, site_names, words
from vlp3d_core.text.report.sentences import split_sentences

_NEGATED = re.compile(
    r"^(?:there (?:is|are) )?no\b|\bno evidence of\b|^negative for\b|^without\b|\b(?:is|are) not seen\b"
)
_NORMAL = re.compile(r"\b(?:unremarkable|normal)\b")
_REMOVED = re.compile(r"\b(?:absent|removed|status post)\b")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s?-?(mm|cm)\b")
_NANO = re.compile(r"(\d+(?:\.\d+)?)\s?-?(nm|um|[µμ]m)\b")
_MANY = re.compile(r"^(?:there are )?(\d+)(?![\d.]|\s?-?(?:[mcnuµμ]m)\b)")
_MEASURED = re.compile(
    r"^(?:the )?(.+?)(?: measures| has a volume of|: volume) ([\d.e+]+) (ml|[munµμ]m[3³])"
    r"[a-z ,]* mean(?: of)? (-?\d+)\b"
)
_UNITS = {"ml": 1e3, "mm3": 1.0, "um3": 1e-9, "µm3": 1e-9, "μm3": 1e-9, "nm3": 1e-18}
_SECTION = re.compile(r"^\s*(findings|impression|technique|comparison|indication|conclusion)\s*:", re.I | re.M)


def parse_report(text: str) -> StudyFacts:
    """The facts that a report states.

    The impression repeats the findings in fewer words, so it is read only where there is no section "Findings".
    """
    head, body = _sections(text)
    modality = re.search(r"\b(CT|MR|MRI|EM)\b", head)
    found: dict[str, list[str]] = {"regions": [], "none": [], "removed": [], "normal": []}
    found["regions"] = [r for r in words()["regions"] if re.search(rf"\b{r}\b", head.lower())]
    findings, measured = [], []
    for sentence in split_sentences(body):
        lower = sentence.lower().rstrip(".")
        if (match := _MEASURED.match(lower)) and match.group(1) in _structures():
            measured += _measured(match)
        elif _NEGATED.search(lower):
            found["none"] += _named_kinds(lower)
        elif _REMOVED.search(lower):
            found["removed"] += [o for o, word in words()["removed"].items() if _has(lower, (organ_name(o), word))]
        elif _NORMAL.search(lower):
            found["normal"] += _organs(lower)
        elif finding := _finding(lower):
            findings.append(finding)
    names = {key: dict.fromkeys(values) for key, values in found.items()}
    scan, contrast = (modality.group(1)[:2], _contrast(head)) if modality else ("", "")
    return StudyFacts.of(scan, contrast, findings=findings, measured=measured, **names)


def _sections(text: str) -> tuple[str, str]:
    """What stands before the findings, and the findings (else everything)."""
    marks = list(_SECTION.finditer(text))
    for n, mark in enumerate(marks):
        if mark.group(1).lower() == "findings":
            following = (m.start() for m in marks[n + 1 :] if m.group(1).lower() in ("impression", "conclusion"))
            return text[: mark.start()], text[mark.end() : next(following, len(text))]
    return text, text


def _contrast(head: str) -> str:
    """The contrast with the longest name that the technique says."""
    names = {n.lower(): key for key, values in words()["contrasts"].items() for n in values}
    found = [name for name in names if name in head.lower()]
    return names[max(found, key=len)] if found else ""


def _measured(said: re.Match[str]) -> list[Measured]:
    """What the sentence measures; nothing where its number is none, as in a text that a model has written."""
    try:
        volume = float(said.group(2)) * _UNITS[said.group(3).replace("³", "3")]
        return [Measured(_structures()[said.group(1)], volume, int(said.group(4)))]
    except ValueError:
        return []


@dataclass(frozen=True)
class _Pattern:
    """One wording of a kind of finding at one side or site."""

    kind: str
    side: str
    site: str
    text: re.Pattern[str]
    length: int


def _finding(sentence: str) -> Finding | None:
    """The finding whose longest wording occurs in the sentence; None when none does or what is said is incomplete."""
    best = max((p for p in _patterns() if p.text.search(sentence)), key=lambda p: p.length, default=None)
    if best is None:
        return None
    kind = kinds()[best.kind]
    try:
        return Finding(
            best.kind,
            side=best.side,
            site=best.site,
            count=_count(sentence) if kind.count else 1,
            size_mm=_size(sentence) if kind.size and kind.unit == "mm" else 0,
            size_nm=_nanometres(sentence) if kind.size and kind.unit == "nm" else 0,
            density=next((d for d in kind.density if _has(sentence, (d,))), ""),
            degree=next((d for d in kind.degree if _has(sentence, words()["degrees"][d])), ""),
        )
    except ValueError:
        return None


@cache
def _patterns() -> tuple[_Pattern, ...]:
    return tuple(pattern for name, kind in kinds().items() for pattern in _of_kind(name, kind))


def _of_kind(name: str, kind: Kind) -> Iterator[_Pattern]:
    for statement in kind.statements:
        plain = statement.lower().rstrip(".")
        yield _Pattern(name, "", "", re.compile(rf"\b{re.escape(plain)}\b"), len(plain))
    for site in kind.sites or ("",):
        sides = ("left", "right") if kind.sides else (_side_of(site),)
        for side in sides:
            for place in site_names(site):
                for form in kind.forms:
                    yield _pattern(name, side, site, form.text.format(side=side, site=place).lower())


def _pattern(kind: str, side: str, site: str, form: str) -> _Pattern:
    plain = form.replace("~", "")
    if "|" in form:
        before, noun, after = form.split("|")
        expression = rf"{re.escape(before)}(?:{re.escape(noun)}|{re.escape(plural(noun))}){re.escape(after)}"
        plain = plain.replace("|", "")
    else:
        expression = re.escape(plain)
    return _Pattern(kind, side, site, re.compile(rf"(?<!\w){expression}(?!\w)"), len(plain))


def _side_of(site: str) -> str:
    return concepts()[site].side if site else ""


@cache
def _structures() -> dict[str, str]:
    """Name → concept id; of concepts with the same name the first."""
    return {organ_name(c): c for c in reversed(list(concepts()))}


def _count(sentence: str) -> int:
    numbers = words()["numbers"]
    if digits := _MANY.match(sentence):
        return int(digits.group(1))
    match = re.search(rf"\b({'|'.join(numbers[2:])})\b", sentence)
    return numbers.index(match.group(1)) if match else 1


def _size(sentence: str) -> int:
    """The largest measure in whole mm; 0 without one."""
    sizes = [float(value) * (10 if unit == "cm" else 1) for value, unit in _SIZE.findall(sentence)]
    return round(max(sizes, default=0))


def _nanometres(sentence: str) -> int:
    """The largest measure in whole nm; 0 without one."""
    sizes = [float(value) * (1 if unit == "nm" else 1000) for value, unit in _NANO.findall(sentence)]
    return round(max(sizes, default=0))


def _named_kinds(sentence: str) -> list[str]:
    """Kinds that a negation names; of names within each other the longer one counts."""
    hits = [
        (m.start(), m.end(), name) for name, kind in kinds().items() for x in kind.none for m in _all(x.text, sentence)
    ]
    inner = {h for h in hits for o in hits if o[0] <= h[0] and h[1] <= o[1] and o[1] - o[0] > h[1] - h[0]}
    return [name for *place, name in hits if (*place, name) not in inner]


def _organs(sentence: str) -> list[str]:
    return [organ for organ in words()["organs"] if _has(sentence, (organ_name(organ),))]


def _has(sentence: str, names: tuple[str, ...] | list[str]) -> bool:
    return any(True for name in names for _ in _all(name, sentence))


def _all(name: str, sentence: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<!\w){re.escape(name.lower())}(?!\w)", sentence)
