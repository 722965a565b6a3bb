"""Facts → report: findings and impression in varied clinical wording, the same for the same seed."""

from __future__ import annotations

from random import Random

from vlp3d_core.text.report.facts import Finding, Measured, StudyFacts
from vlp3d_core.text.report.kinds import kinds, organ_name, plural, said, site_names, words

COUNTABLE = (
    "There is {a} {np}{measuring}.", "{A} {np}{measuring} is seen.", "{A} {np}{measuring} is present.",
    "{A} {np}{size}.", "Note is made of {a} {np}{measuring}.",
)  # fmt: skip
SEVERAL = (
    "There are {n} {np}, the largest measuring {mm}.", "{N} {np} are seen, up to {mm} in diameter.",
    "{N} {np} (largest {mm}).", "{N} {np}, the largest of {mm}.",
)  # fmt: skip
SEVERAL_UNMEASURED = ("There are {n} {np}.", "{N} {np} are seen.", "{N} {np} are present.", "{N} {np}.")
UNCOUNTABLE = ("There is {np}.", "{Np}.", "{Np} is seen.", "{Np} is present.")
NONE = ("No {x}.", "There is no {x}.", "No evidence of {x}.", "There is no evidence of {x}.", "Negative for {x}.")
NORMAL = ("The {x} {be} unremarkable.", "Unremarkable {x}.", "Normal appearance of the {x}.", "The {x} {be} normal.")
REMOVED = ("The {organ} is absent.", "The {organ} has been removed.", "Status post {operation}.")
MEASURED = (
    "The {x} measures {v} with a mean of {mean}.", "{X}: volume {v}, mean {mean}.",
    "The {x} has a volume of {v} and a mean of {mean}.",
)  # fmt: skip
TECHNIQUE = ("{m} of the {x}.", "{m} examination of the {x}.", "TECHNIQUE: {m} of the {x}.")


def write_report(facts: StudyFacts, seed: int = 0, omit: float = 0.0, impression: bool = True) -> str:
    """A report in English.

    Args:
        facts: what is true; everything that is said is in there.
        seed: decides words and order.
        omit: probability with which each statement about something normal or absent is left out, as busy readers do.
            Findings are always written. At 0 `parse_report` gives back exactly `facts`.
        impression: end with the findings in short.
    """
    rng = Random(f"report {seed}")
    positive = [_finding(f, facts, rng) for f in facts.findings] + [_removed(organ, rng) for organ in facts.removed]
    normal = [name for name in facts.normal if rng.random() >= omit]
    none = [kind for kind in facts.none if rng.random() >= omit]
    rng.shuffle(positive)
    positive += [_measured(m, facts.modality, rng) for m in facts.measured]
    others = [_normal(group, rng) for group in _grouped(normal, rng)] + [
        _none(g, facts, rng) for g in _grouped(none, rng)
    ]
    rng.shuffle(others)
    body = [*positive, *others] if rng.random() < 0.7 else [*others, *positive]
    if rng.random() < 0.3:
        body.append("Comparison: none.")
    head = _technique(facts, rng)
    text = f"{head}\nFINDINGS:\n{' '.join(body) or 'Nothing to report.'}"
    return f"{text}\nIMPRESSION:\n{_impression(facts, rng)}" if impression else text


def _technique(facts: StudyFacts, rng: Random) -> str:
    regions = [r for r in words()["regions"] if r in facts.regions]  # from head to pelvis, as one says it
    contrast = f"{rng.choice(words()['contrasts'][facts.contrast])} " if facts.contrast else ""
    return rng.choice(TECHNIQUE).format(m=_capital(contrast) + facts.modality, x=_listed(regions) or "patient")


def _finding(finding: Finding, facts: StudyFacts, rng: Random, short: bool = False) -> str:
    kind = kinds()[finding.kind]
    if kind.statements:
        return rng.choice(kind.statements)
    forms = said(kind.forms, facts.modality, facts.contrast)
    form = rng.choice(forms).format(side=finding.side, site=rng.choice(site_names(finding.site)))
    qualifier = " ".join(w for w in (_degree(finding.degree, rng), finding.density) if w)
    if "~" in form:
        phrase = f"{qualifier} {form}".strip().replace("~", "")
        if phrase.split()[-1] == "fluid" or "fluid in" in phrase:
            phrase = f"a {phrase}"
        return rng.choice(UNCOUNTABLE[1:2] if short else UNCOUNTABLE).format(np=phrase, Np=_capital(phrase))
    before, noun, after = form.split("|")
    size = _nanometres(finding.size_nm, rng) if finding.size_nm else _size(finding.size_mm, rng)
    if finding.count > 1:
        phrase = f"{qualifier} {before}{plural(noun)}{after}".strip()
        number = words()["numbers"][finding.count] if finding.count < len(words()["numbers"]) else str(finding.count)
        return rng.choice(SEVERAL if size else SEVERAL_UNMEASURED).format(
            n=number, N=_capital(number), np=phrase, mm=size
        )
    phrase = f"{qualifier} {before}{noun}{after}".strip()
    if short:
        return f"{_capital(phrase)}{f', {size}' if size else ''}."
    if size and rng.random() < 0.3:
        phrase, size = f"{size} {phrase}", ""
    article = "an" if phrase[0] in "aeiou8" else "a"
    measuring = rng.choice((" measuring {}", " of {}")).format(size) if size else ""
    return rng.choice(COUNTABLE).format(
        a=article, A=_capital(article), np=phrase, measuring=measuring, size=f", {size}" if size else ""
    )


def _size(mm: int, rng: Random) -> str:
    if not mm:
        return ""
    return f"{mm / 10:.1f} cm" if rng.random() < 0.35 else f"{mm} mm"


def _nanometres(nm: int, rng: Random) -> str:
    return f"{nm / 1000:g} um" if rng.random() < 0.35 else f"{nm} nm"


def _degree(degree: str, rng: Random) -> str:
    return str(rng.choice(words()["degrees"][degree])) if degree else ""


def _removed(organ: str, rng: Random) -> str:
    return rng.choice(REMOVED).format(organ=organ_name(organ), operation=words()["removed"][organ])


def _measured(row: Measured, modality: str, rng: Random) -> str:
    name = organ_name(row.structure)
    mean = f"{row.mean} HU" if modality == "CT" else str(row.mean)
    return rng.choice(MEASURED).format(x=name, X=_capital(name), v=_volume(row.volume_mm3), mean=mean)


def _volume(mm3: float) -> str:
    """ "1450 ml", "320 mm3", "85200 um3", "740 nm3": three significant digits in the unit that suits."""
    if mm3 >= 0.1:
        value, unit = (mm3 / 1000, "ml") if mm3 >= 1000 else (mm3, "mm3")
    else:
        value, unit = (mm3 * 1e9, "um3") if mm3 >= 1e-12 else (mm3 * 1e18, "nm3")
    return f"{float(f'{value:.3g}'):.12g} {unit}"


def _normal(organs: list[str], rng: Random) -> str:
    names = _listed([organ_name(o) for o in organs])
    return rng.choice(NORMAL).format(x=names, be="is" if len(organs) == 1 else "are")


def _none(group: list[str], facts: StudyFacts, rng: Random) -> str:
    form = rng.choice(NONE)
    names = [rng.choice(said(kinds()[k].none, facts.modality, facts.contrast)) for k in group]
    return form.format(x=_listed(names, "or"))


def _grouped(names: list[str], rng: Random) -> list[list[str]]:
    """The names in any order, in groups of one to four."""
    names, groups = rng.sample(names, len(names)), []
    while names:
        n = rng.randint(1, 4)
        groups.append(names[:n])
        names = names[n:]
    return groups


def _impression(facts: StudyFacts, rng: Random) -> str:
    lines = [_finding(f, facts, rng, short=True) for f in facts.findings] or ["No significant abnormality."]
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1))


def _listed(names: list[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
