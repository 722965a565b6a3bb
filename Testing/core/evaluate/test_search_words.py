"""What becomes of a phrase without a volume."""

from __future__ import annotations

import math

from vlp3d_core.evaluate.search_queries import Query
from vlp3d_core.evaluate.search_words import read_query, understood
from vlp3d_core.text.prompt import parse_prompt

KNOWN = ("liver", "spleen", "kidney_left", "kidney_right")


def query(text: str, kind: str, *wanted: str, anchors: tuple[str, ...] = ()) -> Query:
    return Query(text, kind, wanted, "blind", bool(anchors), anchors)


def test_exactly_what_it_asks_for() -> None:
    answer = read_query(query("both kidneys", "synonym", "kidney_left", "kidney_right"), KNOWN)
    assert (answer.resolved, answer.given) == (1, ("kidney_left", "kidney_right")) and math.isnan(answer.refused)
    assert read_query(query("both kidneys", "side", "kidney_left"), KNOWN).resolved == 0
    assert read_query(query("liver with a flurb", "name", "liver"), KNOWN).resolved == 0, "half of it is unknown"


def test_half_a_text_is_not_understood() -> None:
    assert understood(parse_prompt("liver"), KNOWN) == ("liver",)
    assert understood(parse_prompt("liver and heart"), KNOWN) == ("liver",), "what the model knows of it"
    half = parse_prompt("liver with a flurb")
    assert half.concepts and understood(half, KNOWN) == ()


def test_places() -> None:
    def resolved(text: str, *anchors: str) -> float:
        return read_query(query(text, "place", "spleen", anchors=anchors), KNOWN).resolved

    assert resolved("what lies left of the liver", "liver") == 1
    assert resolved("what lies left of the liver", "kidney_left") == 0
    assert resolved("between the kidneys", "kidney_left", "kidney_right") == 1
    assert resolved("spleen", "liver") == 1, "one of those that lie there"
    assert resolved("liver", "kidney_left") == 0


def test_refusals() -> None:
    refused = ("my invoice", "heart", "left of the heart", "heart above the liver")
    assert [read_query(query(text, "outside"), KNOWN).refused for text in refused] == [1, 1, 1, 1]
    assert [read_query(query(text, "outside"), KNOWN).refused for text in ("liver", "above the liver")] == [0, 0]
