"""Bundles: what was written comes back, and nothing that was tampered with is opened."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from Testing.core.tiny import BANDS, tiny_card, tiny_network
from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import load_network, read_bundle, write_bundle, write_card


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may spoil."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "ct-tiny"))


def change(folder: Path, **values: Any) -> None:
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    write_card(folder, {**card, **values})


def put_weights(folder: Path, content: bytes) -> None:
    """Weights with a card that names their hash: damage that hashing cannot see."""
    (folder / "weights.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    change(folder, weights={"file": "weights.safetensors", "sha256": digest, "bytes": len(content)})


def test_round_trip(tmp_path: Path) -> None:
    network, vectors = tiny_network()
    written = write_bundle(tmp_path / "a b ü", network, vectors, tiny_card())
    bundle = read_bundle(written.folder)
    assert bundle.card == written.card
    assert (bundle.name, bundle.concepts, bundle.spacing) == ("ct-tiny", tuple(BANDS), (4.0, 4.0, 4.0))
    assert bundle.normalisation.low == -1000
    again, vectors_again = load_network(bundle)
    assert torch.equal(vectors_again, vectors)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)
    assert not again.training and not any(p.requires_grad for p in again.parameters())


def test_kernels_are_half_and_the_rest_is_not(tiny_bundle: Path) -> None:
    kinds = {(t.dtype, t.ndim > 2) for t in load_file(tiny_bundle / "weights.safetensors").values()}
    assert kinds == {(torch.float16, True), (torch.float32, False), (torch.int64, False)}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"format": 2}, "format"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": -1.5}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"calibration": {"split": "test", "cases": 1, "ece_before": 0.1, "ece": 0.1, "bins": []}}, "calibration"),
        ({"modality": "US"}, "modality"),
        ({"spacing": [1, 1]}, "spacing"),
        ({"spacing": [1, 1, 0]}, "spacing"),
        ({"name": "../evil"}, "name"),
        ({"concepts": []}, "concepts"),
        ({"concepts": [{"id": "flurbotron"}]}, "flurbotron"),
        ({"concepts": [{"id": "skull"}, {"id": "skull"}]}, "twice"),
        ({"field": {"anchors": ["liver"]}}, "anchor"),
        ({"normalisation": {"kind": "window", "low": 5, "high": 5}}, "not a range"),
        ({"weights": {"file": "../weights.safetensors", "sha256": "0" * 64, "bytes": 1}}, "weights/file"),
        ({"weights": {"file": "/etc/weights.safetensors", "sha256": "0" * 64, "bytes": 1}}, "weights/file"),
        ({"weights": {"file": "weights.pkl", "sha256": "0" * 64, "bytes": 1}}, "weights/file"),
    ],
)
def test_cards_that_are_refused(folder: Path, values: dict[str, Any], word: str) -> None:
    change(folder, **values)
    with pytest.raises(MedVLPError, match=word):
        read_bundle(folder)


@pytest.mark.parametrize("key", ["concepts", "weights", "licence", "data", "recipe", "text_encoder"])
def test_a_card_must_be_complete(folder: Path, key: str) -> None:
    card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    del card[key]
    write_card(folder, card)
    with pytest.raises(MedVLPError, match=key):
        read_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b'{"spacing": NaN}', b"[" * 100_000])
def test_cards_that_are_no_cards(folder: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    with pytest.raises(MedVLPError):
        read_bundle(folder)


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="not a model bundle"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("damage", ["flipped bit", "cut short", "missing"])
def test_changed_weights_are_never_opened(folder: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safetensors.torch.load", lambda content: pytest.fail("the weights were opened"))
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flipped bit" else content[:-5])
    with pytest.raises(MedVLPError) as caught:
        load_network(read_bundle(folder))
    assert "again" in caught.value.remedy


@pytest.mark.parametrize(
    "architecture",
    [
        {"encoder_options": {"channels": [8, 16]}},
        {"encoder_options": {"channels": []}},
        {"encoder_options": {"colour": "red"}},
        {"dimension": 9},
        {"encoder": "transformer-of-dreams"},
    ],
)
def test_another_architecture(folder: Path, architecture: dict[str, Any]) -> None:
    change(folder, architecture={**tiny_card()["architecture"], **architecture})
    with pytest.raises(MedVLPError):
        load_network(read_bundle(folder))


def test_truncated_or_foreign_weights_with_the_right_hash(folder: Path) -> None:
    content = (folder / "weights.safetensors").read_bytes()
    for damaged in (content[: len(content) // 2], b"PK\x03\x04 not safetensors", save({"x": torch.zeros(2)})):
        put_weights(folder, damaged)
        with pytest.raises(MedVLPError, match="do not fit"):
            load_network(read_bundle(folder))


def test_one_vector_per_structure(tmp_path: Path) -> None:
    network, vectors = tiny_network()
    bundle = write_bundle(tmp_path, network, vectors[:-1], tiny_card())
    with pytest.raises(MedVLPError, match="one text vector per structure"):
        load_network(bundle)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MedVLPError, match="Cannot make"):
        write_bundle(tmp_path / "file" / "m", *tiny_network(), tiny_card())
