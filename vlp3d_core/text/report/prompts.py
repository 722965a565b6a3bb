"""What a report would say of a finding, and of its absence: prompts for classification without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vlp3d_core.errors import UsageError
from vlp3d_core.text.report.kinds import Kind, kinds, organ_name, said, site_names
from vlp3d_core.text.report.write import NONE, NORMAL

THERE = ("There is {a} {np}.", "{A} {np} is seen.", "{A} {np} is present.")


@dataclass(frozen=True)
class Prompts:
    """Sentences with the words of findings.json.

    Attributes:
        there: that the finding is there, in every form, on every side, at every site, without size or degree.
        not_there: that it is not.
    """

    there: tuple[str, ...]
    not_there: tuple[str, ...]


def prompts_of(finding: str, modality: str) -> Prompts:
    """The prompts of a kind of finding, as any report on a scan of that modality could word them.

    Raises:
        UsageError: findings.json has no words for it.
    """
    kind = kinds().get(finding)
    if kind is None:
        raise UsageError(f"There are no words for the finding {finding!r}.", f"Known are: {', '.join(kinds())}.")
    absent = tuple(sentence.format(x=name) for name in said(kind.none, modality) for sentence in NONE)
    return Prompts(tuple(dict.fromkeys(_statements(kind, modality))), absent)


def organ_prompts(organ: str) -> tuple[str, ...]:
    """What a report says of an organ that is as it should be."""
    return tuple(sentence.format(x=organ_name(organ), be="is") for sentence in NORMAL)


def _statements(kind: Kind, modality: str) -> Iterator[str]:
    yield from kind.statements
    for form in said(kind.forms, modality):
        for site in kind.sites or ("",):
            for place in site_names(site):
                for side in ("left", "right") if kind.sides else ("",):
                    phrase = form.format(side=side, site=place)
                    for sentence in THERE:
                        yield _sentence(sentence, phrase)


def _sentence(template: str, phrase: str) -> str:
    """A phrase of findings.json in a sentence: with an article, unless "~" marks it as uncountable."""
    np = phrase.replace("~", "").replace("|", "")
    article = "" if "~" in phrase and "fluid" not in np else "an" if np[0] in "aeiou" else "a"
    sentence = " ".join(template.format(a=article, A=article, np=np).split())
    return sentence[0].upper() + sentence[1:]
