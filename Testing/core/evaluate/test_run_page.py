"""The report page of a run: what stands on it, that it loads nothing, and that nothing in it can act as markup."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from vlp3d_core.evaluate.retrieval import retrieval
from vlp3d_core.evaluate.run_curves import Curve, read_curves
from vlp3d_core.evaluate.run_examples import Study, pictures, searches
from vlp3d_core.evaluate.run_page import RunPage, run_page


class Parsed(HTMLParser):
    """Tags, addresses and text of a page; the text by the class of the `div` that it stands in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.frames: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        assert not self.open, "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.addresses += [named[k] or "" for k in ("src", "href", "action", "data") if k in named]
        assert not any(name.startswith("on") for name in named), "no handlers"
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "div":
            self.frames.append((named.get("class") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "div" in self.open:
            kind, before = self.frames[-1]
            self.frames[-1] = kind, before + data


REPORTS = ["liver lesion", "normal", "large <b>spleen</b>", "Normal"]


def page(reports: list[str] = REPORTS, title: str = "gtgm: a run") -> RunPage:
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(len(reports), 8))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    images = np.roll(texts, 1, axis=0)  # every volume looks like the report of the one before
    subjects = [f"p{n}" for n in range(len(reports))]
    crop = np.zeros((4, 6, 8))
    return RunPage(
        title,
        {"Steps": "30"},
        [{"command": ["vlp3d", "<script>"], "end": "finished"}],
        {"method": "gtgm", "patch": [4, 6, 8]},
        {"loss": Curve((0, 1), (2.0, 1.0)), "val_dice/liver": Curve((1, 2), (0.7, 0.6))},
        notes=["something is missing"],
        controls=["trained on true pairs"],
        retrieval={"": retrieval(images, texts, reports, subjects, np.eye(len(reports)))},
        studies=[Study(s, r, pictures(crop, (1, 1, 2))) for s, r in zip(subjects, reports, strict=True)],
        by_report=searches(texts, images, reports),
        by_volume=searches(images, texts, reports),
    )


def test_everything_stands_on_it_and_nothing_is_loaded() -> None:
    html = run_page(page())
    parsed = Parsed(html)
    assert parsed.addresses and all(a.startswith("data:image/") for a in parsed.addresses)
    assert not {"script", "link", "iframe", "object", "b"} & set(parsed.tags)
    assert "default-src 'none'" in html
    for words in ("local file", "@10", "median rank", "something is missing", "trained on true pairs", "liver"):
        assert words in parsed.text, words
    assert "vlp3d, <script>" in parsed.text and "large <b>spleen</b>" in parsed.text, "shown as it was written"
    assert "0.600" in parsed.text and "0.700" in parsed.text, "the last and the best Dice"


def test_the_right_answers_are_framed_and_the_twin_is_right_too() -> None:
    parsed = Parsed(run_page(page()))
    cards = [(kind, text) for kind, text in parsed.frames if kind.startswith("card")]
    assert len(cards) == 2 * 4 * 4
    assert all(("right" in kind) == text.endswith(", right") for kind, text in cards)
    assert sum("right" in kind for kind, _ in cards) == 2 * (1 + 2 + 1 + 2), "'normal' and 'Normal' are one report"
    search = searches(np.eye(6), np.roll(np.eye(6), 1, axis=0), [str(n) for n in range(6)], show=6, most=2)
    assert [s.query for s in search] == list(range(6))
    assert all(s.answers[0].cosine == 1 and not s.answers[0].right for s in search)
    assert all(s.answers[-1].right and s.answers[-1].study == s.query for s in search), "however far down"


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=2, max_size=5), st.text(max_size=20))
def test_no_text_becomes_markup(reports: list[str], title: str) -> None:
    parsed, plain = (Parsed(run_page(page(r, t))) for r, t in ((reports, title), (["x"] * len(reports), "t")))
    assert set(parsed.tags) == set(plain.tags)
    assert all(address.startswith("data:image/") for address in parsed.addresses)


def test_slices_show_the_patient_s_right_on_the_left_and_the_head_above() -> None:
    crop = np.full((4, 6, 8), -1.0)
    crop[3] = 1.0  # far right of the patient
    crop[0, 5, 4] = 1.0  # left, in front, in the middle slice
    crop[0, 3, 7] = 1.0  # left, at the head, in the middle
    axial, coronal = pictures(crop, (1.0, 1.0, 2.0))
    assert (axial.width, axial.height) == (64, 96) and (coronal.width, coronal.height) == (24, 96)
    a, c = (imread(io.BytesIO(base64.b64decode(p.uri.partition(",")[2])))[..., 0] for p in (axial, coronal))
    assert a.shape == (6, 4) and c.shape == (8, 4)
    assert (a[:, 0] == 1).all() and (c[:, 0] == 1).all()
    assert a[0, 3] == 1 and a[1:, 3].max() == 0
    assert c[0, 3] == 1 and c[1:, 3].max() == 0


def test_curves_of_a_resumed_run(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,loss,step,val_x\n0,3.0,0,\n0,2.0,1,\n0,,1,0.5\n0,1.5,1,\n0,odd,2,nan\n")
    curves = read_curves(path)
    assert curves["loss"] == Curve((0, 1), (3.0, 1.5)), "the later row counts"
    assert curves["val_x"].steps == (1, 2) and "epoch" not in curves
    assert read_curves(tmp_path / "none.csv") == {}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1", b"step,a\ninf,1\n,2\n"])
def test_curves_of_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    assert read_curves(tmp_path / "metrics.csv") == {}
