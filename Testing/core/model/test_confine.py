"""Names from elsewhere: whatever they are, what is let through stays inside the folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.confine import check_twins, confined

BAD = [
    "../bundle.json", "a/../../b", "..", ".", "", "/etc/passwd", "//server/share", "C:/x", "C:x", "a\\b", "..\\x",
    "a//b", "./a", "a/.",
    "a\0b", "a\nb", "NUL", "con.json", "a/COM1.txt", "lpt¹", "a.", "a ", "a:stream", "x" * 300, "ä" * 150,
    "a/" * 3 + "..", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(MedVLPError) as caught:
        confined(name)
    assert "\n" not in str(caught.value) and "\0" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "name", ["bundle.json", "my model/bundle.json", "Größe/模型 1.json", "a/b/c..d", ".hidden", "..a"]
)
def test_names_that_are_fine(name: str) -> None:
    assert confined(name) == PurePosixPath(name)


PARTS = st.sampled_from(["..", ".", "", "a", "B", "C:", "nul", "a b", "ü", "\\", "x.", "~", "a\\..\\b", "bundle.json"])
NAMES = st.one_of(st.text(max_size=40), st.lists(PARTS, max_size=6).map("/".join))


@given(NAMES)
@example("a/../../..")
@example("\\\\server\\share")
def test_what_is_let_through_stays_inside(name: str) -> None:
    try:
        path = confined(name)
    except MedVLPError:
        return
    root = Path("/models/new")
    inside = Path(os.path.normpath(root.joinpath(*path.parts)))
    assert inside.is_relative_to(root) and inside != root
    windows = PureWindowsPath("C:\\models\\new").joinpath(*path.parts)
    assert windows.parts[:3] == ("C:\\", "models", "new") and ".." not in windows.parts
    assert len(windows.parts) == 3 + len(path.parts)
    assert not PureWindowsPath(path.name).is_reserved() if hasattr(PureWindowsPath, "is_reserved") else True


@pytest.mark.parametrize(
    "names",
    [
        ("a", "A"),
        ("bundle.json", "bundle.json"),
        ("x/weights", "X/other"),
        ("a", "a/b"),
        ("ä", "a\u0308"),
        ("straße", "STRASSE"),
    ],
)
def test_twins(names: tuple[str, str]) -> None:
    with pytest.raises(MedVLPError, match="one name"):
        check_twins(map(PurePosixPath, names))


def test_no_twins() -> None:
    check_twins(map(PurePosixPath, ("a/b", "a/c", "b", "bundle.json", "docs/bundle.json")))


@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=4), max_size=8))
def test_names_that_pass_can_lie_side_by_side(names: list[str]) -> None:
    try:
        check_twins(map(PurePosixPath, names))
    except MedVLPError:
        return
    assert len({name.casefold() for name in names}) == len(names)
