"""Models' words as reports can hold them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.train.captioning.tidy import as_sentence, has_words, tidy


@pytest.mark.parametrize(
    "prefix",
    ["figure 3:", "Figure 3.", "fig. 2a:", "FIG 1 :", "figure 1 : figure 2 :", "Figure 4 (b).", "figure:",
     "Supplementary Figure 12 -", "fig. 3 )", "figures 1 –"],
)  # fmt: skip
def test_figure_prefixes_go(prefix: str) -> None:
    assert tidy(f"{prefix} axial CT of the liver") == "axial CT of the liver"


@pytest.mark.parametrize("text", ["Figure 1 shows the liver.", "A figure: eight.", "Configure 2: x", "Figures vary."])
def test_what_is_no_prefix_stays(text: str) -> None:
    assert tidy(text) == text


def test_thoughts_and_controls_go() -> None:
    assert tidy("<think>\nHm.\n</think>\n\nThe  liver\x1b[31m\tis\x00 seen.\r\n\n- A cyst.") == (
        "The liver [31m is seen.\n- A cyst."
    )
    assert tidy("<think>and so it never ended") == ""


@given(st.text())
def test_any_text(text: str) -> None:
    once = tidy(text)
    assert all(c.isprintable() or c == "\n" for c in once) and once == once.strip()
    assert len(once) <= len(text)


def test_words() -> None:
    assert has_words("ct") and has_words("肝臓") and not has_words("1 2 : . x") and not has_words("")
    assert as_sentence("A liver") == "A liver." and as_sentence("A liver!") == "A liver!"
