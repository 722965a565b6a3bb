"""What Slicer's catalogue shows and checks: the entry of the ExtensionsIndex, icons and screenshots."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "Resources" / "ExtensionsIndex" / "MedVLP.json"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")

# Schema 1.0.1 of Slicer's extension catalogue: fields and their types.
REQUIRED = {"$schema": str, "category": str, "scm_url": str}
OPTIONAL = {
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}


def field(name: str) -> str:
    found = re.search(rf'set\(EXTENSION_{name} "([^"]+)"\)', CMAKE)
    assert found, f"EXTENSION_{name} is not set on one line, as the index's check reads it"
    return found[1]


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_entry_keeps_to_the_schema() -> None:
    content = ENTRY.read_bytes()
    assert b"\r" not in content
    entry = json.loads(content)
    assert entry.keys() >= REQUIRED.keys()
    assert entry.keys() <= REQUIRED.keys() | OPTIONAL.keys()
    for key, value in entry.items():
        assert type(value) is (REQUIRED | OPTIONAL)[key], key
    assert re.fullmatch(r"https://raw\S+/slicer-extension-catalog-entry-schema-v1\.0\.1\.json#", entry["$schema"])
    assert 1 <= entry["tier"] <= 5


def test_entry_and_cmake_say_the_same() -> None:
    entry = json.loads(ENTRY.read_text(encoding="utf-8"))
    assert f"project({ENTRY.stem})" in CMAKE
    assert not ENTRY.stem.lower().startswith("slicer")  # the repository's name does, the extension's does not
    assert entry["scm_url"] == field("HOMEPAGE") + ".git"
    assert entry["scm_url"].rpartition("/")[2].startswith("Slicer")
    assert entry["category"] == field("CATEGORY")
    assert entry["build_dependencies"] == field("DEPENDS").split()


@pytest.mark.parametrize("name", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_of_the_catalogue_are_in_the_repository(name: str) -> None:
    base = field("HOMEPAGE").replace("github.com", "raw.githubusercontent.com") + "/main/"
    for url in field(name).split():
        assert url.startswith(base)
        width, height = png_size(ROOT / url.removeprefix(base))
        assert (width, height) == (128, 128) if name == "ICONURL" else width >= 400
        assert (ROOT / url.removeprefix(base)).stat().st_size <= 300_000


@pytest.mark.parametrize("name", ["Resources/Icons/MedVLP", "MedVLPSegment/Resources/Icons/MedVLPSegment"])
def test_icons_have_their_sources(name: str) -> None:
    assert png_size(ROOT / f"{name}.png") == (128, 128)
    assert (ROOT / f"{name}.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_links_of_the_tutorial_lead_somewhere() -> None:
    page = ROOT / "docs" / "slicer.md"
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
