"""Items of a list share words: "left and right kidney", "superior and inferior vena cava", "ribs 3, 4 and 5"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vlp3d_core.text.clauses import Item
from vlp3d_core.text.descriptions import described
from vlp3d_core.text.lexicon import Entry, Side, fillers, key_of, lexicon
from vlp3d_core.text.phrase import Phrase, named, resolve, whole
from vlp3d_core.text.spelling import in_context

Ids = tuple[str, ...]
NO_SIDES: frozenset[Side] = frozenset()
LINKS = frozenset(
    {"join", "joining", "connect", "connecting", "connection", "link", "linking", "from", "filter", "send"}
)
"""After these an "and" goes on with a description ("the stalk that joins brain and spinal cord")."""
EXAMPLES = frozenset({"such", "either", "collective", "term"})
"""The same: "an extension such as an axon or a dendrite"."""
MADE_OF = frozenset({"consist", "consisting", "contain", "containing", "comprise", "comprising", "composed", "formed"})
"""The same, and after them any number of items ("what contains midbrain, pons and medulla")."""
MEETING = frozenset({"meet", "join", "touch", "connect", "fuse", "unite", "together"})
"""At the end of what an "and" goes on with ("where axon and dendrite meet")."""
WITH = frozenset({"and", "with"})
BEARERS = frozenset({"carry", "carrying", "bring", "bringing", "drain", "draining", "supply", "supplying"})
"""The same where no article follows ("veins that drain spleen and bowel")."""
REACH = 8
"""Items of a list across which words are shared."""


def resolve_items(items: Sequence[Item]) -> Iterator[tuple[Item, Ids]]:
    """Each item with the concept ids that it names, () for one that is not understood."""
    merged = _attach_sides(_join(items))
    found = [_resolve(merged, i) for i in range(len(merged))]
    for i, item in enumerate(merged):
        if not (i + 1 < len(merged) and _is_heading(item, merged[i + 1]) and any(found[i + 1 :])):
            yield item, found[i]


def _is_heading(item: Item, following: Item) -> bool:
    """ "Bones: femur, tibia" asks for two bones, not for all."""
    entry = whole(item.phrase.content)
    return following.joint == ":" and entry is not None and bool(entry.group)


def _join(items: Sequence[Item]) -> list[Item]:
    """Puts together what "and" or a comma took apart within one name or description ("portal and splenic vein")."""
    out: list[Item] = []
    i = 0
    while i < len(items):
        stop = next((n for n in range(_end(items, i), i + 1, -1) if _one_name(items[i:n])), i + 1)
        out.append(_merge(items[i:stop]))
        i = stop
    return out


def _end(items: Sequence[Item], start: int) -> int:
    stop = start + 1
    while stop < len(items) and not items[stop].starts_new and stop - start < 4:
        stop += 1
    return stop


def _one_name(items: Sequence[Item]) -> bool:
    content = [word for item in items for word in item.phrase.content]
    if len(items) == 2 and "between" in items[0].phrase.content:
        return True
    if _goes_on(items) and described(content):
        return True
    if len(items) == 2 and _says_more(items, described(content)):
        return True
    if items[1].joint == "with" and described(content) and not (named(items[0].phrase.content) and named(content)):
        return True
    if any(item.joint not in WITH for item in items[1:]):
        together, alone = whole(content), [whole(item.phrase.content) for item in items]
        inverted = alone[0] is not None and alone[-1] is None and len(items) == 2  # "jaw, lower"
        joined = key_of(content) in lexicon().joined  # "head, body and tail of the pancreas"
        if alone[0] is not None and alone[0].group and items[1].joint == ":":  # "bones: left femur"
            return False
        if any(alone):  # "kidneys, ureters and bladder" describes no bladder
            return joined or (named(content) is not None and (inverted or together in alone))
        return joined or together is not None
    if key_of(content) in lexicon().joined:
        return True
    first = whole(items[0].phrase.content)
    rest = [item.phrase.content for item in items[1:]]
    if first is not None and first.group:  # "gland with insulin making cells"
        return not any(named(words) for words in rest) and whole(content) is not None
    return first is None and not any(whole(words) for words in rest) and whole(content) is not None


def _says_more(items: Sequence[Item], together: Entry | None) -> bool:
    """Whether one of two items says more of what the other describes: "controls breathing and heart rate"."""
    apart = [described(item.phrase.content) for item in items]
    return (
        together is not None
        and together in apart
        and all(one in (None, together) for one in apart)
        and not any(named(item.phrase.content) for item in items)
    )


def _goes_on(items: Sequence[Item]) -> bool:
    """Whether the words of further items may belong to what the first one says."""
    first, second = items[0], items[-1]
    if not MADE_OF.isdisjoint(first.phrase.content):
        return True
    if len(items) > 2:
        return False
    if not EXAMPLES.isdisjoint(token.word for token in first.tokens):
        return True
    if not LINKS.isdisjoint(first.phrase.content) or not MEETING.isdisjoint(second.phrase.content[-1:]):
        return True
    return not BEARERS.isdisjoint(first.phrase.content) and second.tokens[0].word not in {"the", "a"}


def _merge(items: Sequence[Item]) -> Item:
    if len(items) == 1:
        return items[0]
    content: tuple[str, ...] = ()
    sides: tuple[tuple[int, Side], ...] = ()
    for item in items:
        sides += tuple((position + len(content), side) for position, side in item.phrase.sides)
        content += item.phrase.content
    tokens = tuple(token for item in items for token in item.tokens)
    return replace(items[0], phrase=Phrase(content, sides), tokens=tokens)


def _attach_sides(items: Sequence[Item]) -> list[Item]:
    """Gives an item that is only a side ("kidney, left", "left and right kidney") to the item that it belongs to."""
    out: list[Item] = []
    pending: list[Item] = []
    for i, item in enumerate(items):
        if not item.sides_only:
            out.append(_with_sides(pending, item))
            pending = []
        elif item.negated and (other := _other_side(items, i, out)):
            out.append(replace(item, phrase=replace(item.phrase, content=other.phrase.content)))
        elif _belongs_to_next(items, i) or not out or item.starts_new:
            pending.append(item)
        else:
            out[-1] = _with_sides([item], out[-1], after=True)
    return out + pending


def _other_side(items: Sequence[Item], i: int, out: Sequence[Item]) -> Item | None:
    """What an excluded side is a side of: "the parotid, not the right", "not the right but the left parotid"."""
    if items[i].joint == "not" and out:
        return out[-1]
    following = items[i + 1] if i + 1 < len(items) else None
    return following if following and following.joint == "but" and following.phrase.sides else None


def _belongs_to_next(items: Sequence[Item], i: int) -> bool:
    if i + 1 >= len(items) or items[i + 1].starts_new or items[i + 1].sides_only:
        return False
    return bool(items[i + 1].phrase.sides) and items[i + 1].phrase.sides[0][0] == 0


def _with_sides(sides: Sequence[Item], item: Item, after: bool = False) -> Item:
    if not sides:
        return item
    position = len(item.phrase.content) if after else 0
    more = tuple((position, side) for extra in sides for side in sorted(extra.phrase.side_set))
    joint = item.joint if after else sides[0].joint
    return replace(item, phrase=replace(item.phrase, sides=more + item.phrase.sides), joint=joint)


def _resolve(items: Sequence[Item], i: int) -> Ids:
    phrase = items[i].phrase
    if _both_and(items, i):
        phrase = replace(phrase, sides=())
    for candidate in (*_completed(items, i), phrase):
        side = _shared_side(items, i) if not candidate.sides else NO_SIDES
        found = (side and resolve(candidate, side)) or resolve(candidate)
        if found:
            return found
    mended = in_context(phrase.content)
    return resolve(replace(phrase, content=mended)) if mended else ()


def _both_and(items: Sequence[Item], i: int) -> bool:
    """ "Both the liver and the spleen": one of each, and no pair of livers."""
    following = items[i + 1].joint == "and" if i + 1 < len(items) else False
    return following and items[i].phrase.sides == ((0, "both"),) and not _plural(items[i])


def _completed(items: Sequence[Item], i: int) -> Iterator[Phrase]:
    """The item with the words that it shares with its neighbours: "superior [vena cava]", "[rib] 4"."""
    phrase = items[i].phrase
    entry = whole(phrase.content)
    if entry is not None and not entry.adjective:
        return
    for other in _chain(items, i)[:REACH]:
        for start in range(1, len(other.phrase.content)):
            sides = phrase.sides or other.phrase.sides
            yield Phrase(phrase.content + other.phrase.content[start:], sides)
    if entry is None and i and not items[i].starts_new:
        yield from _continued(items, i)


def _chain(items: Sequence[Item], i: int) -> list[Item]:
    """The items after i in the same list."""
    stop = i + 1
    while stop < len(items) and not items[stop].starts_new:
        stop += 1
    return list(items[i + 1 : stop])


def _continued(items: Sequence[Item], i: int) -> Iterator[Phrase]:
    phrase = items[i].phrase
    for before in reversed(items[max(0, i - REACH) : i]):
        content = before.phrase.content
        sides = phrase.sides or before.phrase.sides
        level = re.fullmatch(r"(c|t|th|d|l)\d+", content[-1]) if content else None
        if level and len(phrase.content) == 1 and phrase.content[0].isdigit():
            yield Phrase((level[1] + phrase.content[0],))
        for stop in range(len(content) - 1, 0, -1):
            yield Phrase(content[:stop] + phrase.content, sides)


def _shared_side(items: Sequence[Item], i: int) -> frozenset[Side]:
    """The side that an item without one takes over: "lung and kidney on the left", "left lung and kidney"."""
    following = _chain(items, i)
    if following and following[-1].phrase.sides:
        phrase = following[-1].phrase
        trailing = phrase.sides[-1][0] == len(phrase.content)
        between = items[i + 1 : i + len(following)]
        if trailing and len(phrase.side_set) == 1 and not any(item.phrase.sides for item in between):
            return phrase.side_set
    first = i
    while (
        first
        and not items[first].starts_new
        and not items[first].phrase.sides
        and (_elliptical(items[first - 1]) or (items[first].joint in WITH and _bare_singular(items[first])))
    ):
        first -= 1
    if first < i:
        before = items[first].phrase
        if len(before.side_set) == 1 and before.sides[0][0] == 0 and "both" not in before.side_set:
            return before.side_set
    return NO_SIDES


def _elliptical(item: Item) -> bool:
    """Its words name nothing by themselves ("fifth" of "fifth and sixth ribs")."""
    entry = whole(item.phrase.content)
    return entry is None or entry.adjective


def _bare_singular(item: Item) -> bool:
    """No article and no plural: "left lung and kidney" shares its side, "left lung and the kidneys" does not."""
    return _elliptical(item) or not (_plural(item) or item.tokens[0].word in {"the", "a"})


def _plural(item: Item) -> bool:
    last = next((t for t in reversed(item.tokens) if t.word not in fillers()), item.tokens[-1])
    return last.raw != last.word and last.raw.endswith("s")
