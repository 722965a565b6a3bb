"""Phrases that people use for a concept, and radiology sentences around them: the reading matter of the text tower.

Everything here is generated from the concepts by fixed lists and a seed, so the same seed gives the same phrases on
every machine. A *phrasing* is one synonym in one template; a phrasing that is held out is never trained on. Letter case
is not varied: the tower's tokenizer lowercases, so "Left Kidney" and "left kidney" are one text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from random import Random

from vlp3d_core.text.concepts import Concept, Group

SIDE_FORMS = (
    "{side} {x}", "{x}, {side}", "{x} {side}", "{side}-sided {x}", "{side} sided {x}", "{x} on the {side}",
    "{x} ({side})", "{x} on the {side} side", "{side} side {x}", "{x} of the {side} side",
)  # fmt: skip

CONTEXTS = (
    "{x}", "the {x}", "segment the {x}", "segment {x}", "show me the {x}", "show {x}", "find the {x}", "find {x}",
    "outline of the {x}", "{x} segmentation", "where is the {x}?", "region of the {x}", "contour the {x}",
    "delineate the {x}", "{x} on this scan", "{x} in the ct", "{x} on mr", "please label the {x}", "highlight the {x}",
    "volume of the {x}", "the patient's {x}", "mask of the {x}", "i want to see the {x}", "the whole {x}",
)  # fmt: skip

FINDING_CONTEXTS = (
    "{x}", "the {x}", "a {x}", "{xs}", "multiple {xs}", "any {x}", "find {xs}", "segment the {x}", "small {x}",
    "large {x}", "is there a {x}?", "show the {xs}", "evidence of {x}", "{x} segmentation", "suspected {x}",
    "there is a {x}", "measure the {x}", "region of {x}",
)  # fmt: skip

ADJECTIVE_FORMS = ("{x}", "{x} region", "{x} tissue", "{x} parenchyma")
GROUP_CONTEXTS = ("{x}", "the {x}", "all {x}", "segment the {x}", "show {x}")
PARTS = (
    "upper pole", "lower pole", "upper part", "lower part", "hilum", "center", "cortex", "periphery", "wall", "lumen",
    "tip", "base", "head", "tail", "apex", "margin", "surface", "anterior part", "posterior part", "lateral border",
    "medial border", "left half", "right half", "dome", "neck", "body", "parenchyma", "capsule",
)  # fmt: skip
POSITIONS = (
    "in", "in front of", "behind", "above", "below", "next to", "left of", "right of", "anterior to", "posterior to",
    "superior to", "inferior to", "lateral to", "medial to", "adjacent to", "near", "around", "inside", "along",
    "at the level of", "on top of", "under", "surrounding", "caudal to", "cranial to", "deep to", "within", "beside",
)  # fmt: skip
FINDINGS = (
    "cyst", "tumor", "tumour", "mass", "lesion", "nodule", "calcification", "hematoma", "bleeding", "fracture",
    "effusion", "metastasis", "abscess", "edema", "stone", "thrombus", "stenosis", "aneurysm", "dissection", "infarct",
    "atelectasis", "consolidation", "opacity", "infiltrate", "polyp", "hernia", "stent", "catheter", "implant",
    "air bubble", "fluid collection", "lymph node", "inflammation", "swelling", "dilatation", "thickening", "necrosis",
    "ground glass opacity", "emphysema", "scar", "atrophy", "hemorrhage", "enhancement", "artifact", "foreign body",
)  # fmt: skip
THINGS = (
    "organ", "gland", "bone", "muscle", "vessel", "artery", "vein", "nerve", "tissue", "fat", "structure", "region",
    "cavity", "air", "fluid", "soft tissue", "cartilage", "duct", "joint", "ligament", "tube", "bright spot",
    "dark area", "round object", "skin", "space", "cell", "membrane",
)  # fmt: skip
QUALITIES = (
    "small", "large", "round", "oval", "irregular", "hypodense", "hyperdense", "hyperintense", "hypointense", "cystic",
    "solid", "enhancing", "calcified", "benign", "malignant", "suspicious", "ill-defined", "well-defined", "diffuse",
    "focal", "tiny", "5 mm", "12 mm", "2 cm", "3.5 cm", "new", "old", "acute", "chronic", "bilateral", "left-sided",
    "right-sided", "mild", "moderate", "severe", "unchanged", "growing", "necrotic", "fat-containing", "lobulated",
)  # fmt: skip
SENTENCES = (
    "{quality} {finding} in the {part} of the {a}", "{finding} {position} the {a}", "{position} the {a}",
    "{quality} {finding} {position} the {a}", "between the {a} and the {b}", "{thing} between the {a} and the {b}",
    "the {thing} {position} the {a}", "{part} of the {a}", "between the {pair}", "both {pair}", "bilateral {pair}",
    "{pair}", "the {pair}", "the {a} is normal.", "the {a} is unremarkable.", "the {a} is enlarged.",
    "normal size and attenuation of the {a}.", "no {finding} in the {a}.", "no evidence of {finding}.",
    "there is a {quality} {finding} in the {a}.", "a {quality} {finding} is seen {position} the {a}.",
    "{a} and {b}", "{a}, {b}", "{a} with {finding}", "{quality} {thing} {position} the {a}", "{finding}", "{thing}",
    "{quality} {finding}", "{quality} {thing}", "status post resection of the {a}.", "{quality} {a}",
    "the {a} is displaced by a {finding}.", "no acute abnormality of the {a} or {b}.", "volume of the {a}: 150 ml",
    "the {a} measures 12 mm.", "the {a} is not visible.", "everything except the {a}", "which {thing} is this?",
)  # fmt: skip

_SIDE = re.compile(r"[\s,(]*\b(left|right)(-sided|\s+sided)?\b[\s,)]*", re.IGNORECASE)


@dataclass(frozen=True)
class Phrase:
    """A text and the id of the concept that it names ("" for a sentence that names no single concept)."""

    text: str
    concept: str = ""


@dataclass(frozen=True)
class Phrases:
    """Phrases to train on, and held-out ones: no text of these is among those. All are lower case."""

    train: tuple[Phrase, ...]
    held_out: tuple[Phrase, ...]


def names(concept: Concept) -> tuple[str, ...]:
    """What the concept is called, lower case, without its side ("kidney", "renal", "renal parenchyma"), no doubles."""
    adjectives = {_tidy(text, concept.side) for text in concept.adjectives}
    texts: list[str] = []
    for text in (_tidy(text, concept.side) for text in (concept.name, *concept.synonyms)):
        texts += [form.replace("{x}", text) for form in ADJECTIVE_FORMS] if text in adjectives else [text]
    return tuple(dict.fromkeys(text for text in texts if text))


def _tidy(text: str, side: str) -> str:
    text = text.lower().replace("_", " ")
    return " ".join((_SIDE.sub(" ", text) if side else text).split())


def plural(noun: str) -> str:
    """English plural: "kidneys", "arteries", "metastases", "vertebrae", "lesions of the liver"."""
    head, preposition, rest = re.match(r"(.+?)( of | in |$)(.*)", noun).groups()  # type: ignore[union-attr]
    if preposition:
        return plural(head) + preposition + rest
    if noun.endswith(("sis", "xis")):
        return noun[:-2] + "es"
    if noun.endswith(("vertebra", "bursa", "scapula", "fibula", "clavicula")):
        return noun + "e"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def templates(concept: Concept) -> list[tuple[str, str]]:
    """All (context, side form) pairs for a concept, the plain one first; the side form of an unsided one is "{x}"."""
    contexts = FINDING_CONTEXTS if concept.kind == "finding" else CONTEXTS
    forms = tuple(form.replace("{side}", concept.side) for form in SIDE_FORMS) if concept.side else ("{x}",)
    return list(product(contexts, forms))


def fill(template: tuple[str, str], name: str) -> str:
    """One phrasing: the name put into the side form, and that into the context."""
    context, form = template
    return context.replace("{xs}", form.replace("{x}", plural(name))).replace("{x}", form.replace("{x}", name))


def concept_phrases(concept: Concept, train: int, held_out: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts for one concept: `train` and `held_out` phrasings per name, drawn without overlap.

    The plain phrasing of each name ("left kidney") is always trained on: it is what people type most.
    """
    shown: list[str] = []
    hidden: list[str] = []
    for name in names(concept):
        plain, *others = templates(concept)
        Random(f"{seed}/{concept.id}/{name}").shuffle(others)
        hidden += [fill(template, name) for template in others[:held_out]]
        shown += [fill(template, name) for template in [plain, *others[held_out : held_out + train - 1]]]
    return shown, hidden


def sentences(concepts: Iterable[Concept], seed: int) -> Iterator[str]:
    """Endless radiology sentences, query fragments and descriptions around the concepts (may repeat themselves)."""
    known = list(concepts)
    structures = [concept for concept in known if concept.kind != "finding"]
    paired = [concept for concept in structures if concept.side] or structures
    findings = [*FINDINGS, *(name for concept in known if concept.kind == "finding" for name in names(concept))]
    random = Random(f"{seed}/sentences")

    def structure() -> str:
        concept = random.choice(structures)
        name = random.choice(names(concept)[:4])
        return f"{concept.side} {name}".strip()

    while True:
        yield random.choice(SENTENCES).format(
            a=structure(), b=structure(), pair=plural(random.choice(names(random.choice(paired)))),
            finding=random.choice(findings), thing=random.choice(THINGS), quality=random.choice(QUALITIES),
            part=random.choice(PARTS), position=random.choice(POSITIONS),
        )  # fmt: skip


def make_phrases(
    concepts: Mapping[str, Concept], groups: Mapping[str, Group], per_name: int = 5, held_out_per_name: int = 1,
    general: int = 8000, seed: int = 0,
) -> Phrases:  # fmt: skip
    """Training and held-out phrases for all concepts.

    Args:
        concepts, groups: by id, as `vlp3d_core.text.concepts` gives them; a group's names are general phrases.
        per_name: training phrasings for each name of each concept.
        held_out_per_name: held-out phrasings for each name of each concept.
        general: training sentences that name no single concept; a tenth as many are held out.
        seed: of every random choice.
    """
    shown: list[Phrase] = []
    hidden: list[Phrase] = []
    for concept in concepts.values():
        train, held_out = concept_phrases(concept, per_name, held_out_per_name, seed)
        shown += [Phrase(text, concept.id) for text in train]
        hidden += [Phrase(text, concept.id) for text in held_out]
    shown = _unambiguous(shown)
    source = sentences(concepts.values(), seed)
    collective = {_tidy(text, "") for group in groups.values() for text in (group.name, *group.synonyms)}
    shown += [Phrase(form.replace("{x}", text)) for text in sorted(collective) for form in GROUP_CONTEXTS]
    shown += [Phrase(next(source)) for _ in range(general)]
    hidden += [Phrase(next(source)) for _ in range(general // 10)]
    seen = {phrase.text for phrase in shown}
    return Phrases(
        tuple(dict.fromkeys(shown)), tuple(p for p in dict.fromkeys(_unambiguous(hidden)) if p.text not in seen)
    )


def _unambiguous(phrases: list[Phrase]) -> list[Phrase]:
    """Drop texts that stand for two concepts: neither answer would be right."""
    owners = Counter(text for text, _ in {(phrase.text, phrase.concept) for phrase in phrases if phrase.concept})
    return [phrase for phrase in phrases if owners[phrase.text] <= 1]
