"""Models that were damaged, changed, or are not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.core.cli.conftest import Run, refused


def flip_a_bit(folder: Path) -> None:
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def other_name(folder: Path) -> None:
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    card["weights"]["file"] = "../weights.safetensors"
    (folder / "bundle.json").write_text(json.dumps(card), encoding="utf-8")


BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed bit": (flip_a_bit, "SHA-256"),
    "cut weights": (lambda folder: os.truncate(folder / "weights.safetensors", 500), "SHA-256"),
    "no weights": (lambda folder: (folder / "weights.safetensors").unlink(), "weights"),
    "a card that is no JSON": (lambda folder: (folder / "bundle.json").write_text("{"), "JSON"),
    "an empty card": (lambda folder: (folder / "bundle.json").write_text("{}"), "valid card"),
    "weights elsewhere": (other_name, "card"),
}


@pytest.mark.parametrize("kind", BUNDLES)
def test_bundles_that_were_changed(kind: str, vlp3d: Run, tiny_bundle: Path, scan: Path, out: Path) -> None:
    change, said = BUNDLES[kind]
    folder = scan.parent / "ct-broken"
    shutil.copytree(tiny_bundle, folder)
    change(folder)
    refused(vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", folder), 1, said, out)
    refused(vlp3d("find", scan, "mandible", "--model", folder), 1, said, out)


def test_no_such_model(vlp3d: Run, scan: Path, out: Path) -> None:
    refused(vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", "ct-unicorn"), 2, "ct-tiny", out)
    refused(vlp3d("segment", scan, "-o", out / "o.nii.gz", "--model", scan.parent), 2, "ct-tiny", out)
