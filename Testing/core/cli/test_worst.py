"""`vlp3d evaluate segmentation --worst`: pictures of failures, in the card, on the page."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from Testing.core.cli.conftest import Run, refused
from Testing.core.tiny import BANDS, FAT, toy_grid, toy_head, toy_labels
from vlp3d_core.model.bundle import read_bundle
from vlp3d_core.model.card_page import card_page
from vlp3d_core.model.registry import bundles_in, embedded_folder
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume import Volume
from vlp3d_core.volume.write_image import write_volume

PAGES = Path(__file__).parents[3] / "docs" / "models"
VALUES = dict(enumerate(BANDS, 1))
MANDIBLE, CORD, BRAINSTEM = (1 + list(BANDS).index(name) for name in ("mandible", "spinal_cord", "brainstem"))


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "models" / "ct-tiny"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Validation: a shows no mandible, the reference of b has the cord too high, c is right. Test: d, right, too."""
    labels, cases = toy_labels(toy_grid()), []
    for subject in "abcd":
        image, reference = toy_head().array.copy(), labels.copy()
        if subject == "a":
            image[labels == MANDIBLE] = FAT
        if subject == "b":
            reference[reference == CORD] = 0
            reference[np.roll(labels == CORD, 3, axis=2)] = CORD
        paths = tmp_path / f"{subject}.nii.gz", tmp_path / f"{subject}-labels.nii.gz"
        for array, path in zip((image, reference.astype(np.float32)), paths, strict=True):
            write_volume(Volume(array, toy_grid().affine, "CT"), path)
        split = "test" if subject == "d" else "validation"
        cases.append(Case(paths[0], subject, split, paths[1], VALUES, tuple(BANDS), "CT"))
    write_manifest(cases, tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


def test_pictures_card_and_page(bundle: Path, manifest: Path, out: Path, vlp3d: Run) -> None:
    words = ("evaluate", "segmentation", "--model", bundle, "--manifest", manifest, "--worst", out / "ct-tiny")
    done = vlp3d(*words, "--update-card", "--json")
    assert done.code == 0, done.err
    assert done.json["cases"] == 3, "of the split validation"
    missed, high = done.json["failures"]
    assert (missed["structure"], missed["file"], missed["dice"]) == ("mandible", "mandible.png", 0.0)
    assert missed["caption"].startswith("Mandible, a (validation): Dice 0.00; nothing found of ")
    assert (high["structure"], high["name"]) == ("spinal_cord", "Spinal cord") and 0.5 < high["dice"] < 0.9
    assert sorted(path.name for path in (out / "ct-tiny").iterdir()) == ["mandible.png", "spinal_cord.png"]
    made = read_bundle(bundle)
    command = "vlp3d evaluate segmentation --model ct-tiny --manifest m.jsonl --split validation"
    assert made.card["failures"] == {
        "split": "validation",
        "command": f"{command} --worst ct-tiny",
        "pictures": [missed, high],
    }
    assert made.card["scores"]["validation"]["command"] == command
    page = card_page(made)
    assert "## Known failures" in page and f"{missed['caption']}\n" in page
    assert f"![Mandible](ct-tiny/{missed['file']})\n" in page and f"![Spinal cord](ct-tiny/{high['file']})\n" in page


def test_a_table_says_what_they_show(bundle: Path, manifest: Path, out: Path, vlp3d: Run) -> None:
    words = ("evaluate", "segmentation", "--model", bundle, "--manifest", manifest, "--worst", out)
    done = vlp3d(*words, "--worst-count", 1)
    assert done.code == 0 and "failures" not in read_bundle(bundle).card
    assert done.out.splitlines()[-1].split(maxsplit=1)[0] == str(out / "mandible.png")
    assert [path.name for path in out.iterdir()] == ["mandible.png"]


def test_nothing_went_wrong(bundle: Path, manifest: Path, out: Path, vlp3d: Run) -> None:
    words = ("evaluate", "segmentation", "--model", bundle, "--manifest", manifest, "--worst", out, "--split", "test")
    done = vlp3d(*words, "--update-card")
    assert done.code == 0 and "nothing went wrong" in done.err and list(out.iterdir()) == []
    assert "looks for these pictures in a folder ct-tiny beside it" in done.err
    assert read_bundle(bundle).card["failures"]["pictures"] == []
    assert "Known failures" not in card_page(read_bundle(bundle))


def test_predictions_from_a_folder(bundle: Path, manifest: Path, out: Path, vlp3d: Run, tmp_path: Path) -> None:
    """The same picture, byte for byte, as from the model that made them."""
    folder = tmp_path / "predictions"
    folder.mkdir()
    for subject in "abc":
        assert (
            vlp3d("segment", tmp_path / f"{subject}.nii.gz", "--model", bundle, "-o", folder / f"{subject}.nii.gz").code
            == 0
        )
    for source, words in {"folder": ("--predictions", folder), "model": ("--model", bundle)}.items():
        done = vlp3d("evaluate", "segmentation", *words, "--manifest", manifest, "--worst", out / source)
        assert done.code == 0, done.err
    for name in ("mandible.png", "spinal_cord.png"):
        assert (out / "folder" / name).read_bytes() == (out / "model" / name).read_bytes()


def test_without_pictures_the_split_is_test(bundle: Path, manifest: Path, vlp3d: Run) -> None:
    done = vlp3d("evaluate", "segmentation", "--model", bundle, "--manifest", manifest, "--json")
    assert done.json["cases"] == 1 and "failures" not in done.json


def test_folders_and_counts_that_cannot_be(bundle: Path, manifest: Path, out: Path, vlp3d: Run) -> None:
    words = ("evaluate", "segmentation", "--model", bundle, "--manifest", manifest, "--worst")
    refused(vlp3d(*words, manifest), 1, "Cannot make the folder", out)
    refused(vlp3d(*words, manifest / "below"), 1, "Cannot make the folder", out)
    refused(vlp3d(*words, out / "new", "--worst-count", 0), 2, "from 1 up", out)


@pytest.mark.parametrize("name", [bundle.name for bundle in bundles_in(embedded_folder())])
def test_pages_have_the_pictures_of_their_cards(name: str) -> None:
    """Those that a card names lie beside its page, and no older ones; all stay small."""
    card = read_bundle(embedded_folder() / name).card
    named = {picture["file"] for picture in card.get("failures", {}).get("pictures", [])}
    there = {path.name: path.stat().st_size for path in (PAGES / name).glob("*")}
    assert set(there) == named, "draw them again with --worst --update-card, and remove others"
    assert all(size <= 60_000 for size in there.values())
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert all(f"({name}/{file})" in page for file in named)
