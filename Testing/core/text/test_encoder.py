"""The embedded text tower: its vectors, its manners, and what it says when its folder is not what it should be."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import sha256_of
from vlp3d_core.text.encoder import EMBEDDED, TextEncoder


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.load()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EMBEDDED, tmp_path / "tower with space é"))


def test_vectors_are_unit_float32_rows(encoder: TextEncoder) -> None:
    vectors = encoder.encode(["left kidney", "", "🫀 心", "liver " * 300])
    assert vectors.shape == (4, encoder.dimension) == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert encoder.encode([]).shape == (0, 384)


def test_rows_keep_their_order_whatever_the_batch(encoder: TextEncoder) -> None:
    texts = ["the right lung in this very long sentence about breathing", "liver", "spleen and stomach", "l5"]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts, batch=3), alone, atol=1e-5)


def test_case_and_accents_do_not_matter(encoder: TextEncoder) -> None:
    lower, upper, accent = encoder.encode(["left kidney", "LEFT Kidney", "léft kídney"])
    np.testing.assert_allclose(lower, upper, atol=1e-5)
    np.testing.assert_allclose(lower, accent, atol=1e-5)


def test_no_ordinary_word_is_unknown(encoder: TextEncoder) -> None:
    text = "xylophone qwzjkv Zwölffingerdarm 12.5mm naïve β-blocker T12/L1 (~50%)"
    assert encoder.tokenizer.unk_token not in encoder.tokenizer.tokenize(text)


def test_meaning_is_kept(encoder: TextEncoder) -> None:
    renal, kidney, jaw, mandible = encoder.encode(["renal parenchyma", "kidney", "lower jaw", "mandible"])
    assert renal @ kidney > renal @ mandible
    assert jaw @ mandible > jaw @ kidney


def test_the_tower_is_small_and_its_card_names_its_hashes(encoder: TextEncoder) -> None:
    card = json.loads((EMBEDDED / "card.json").read_text(encoding="utf-8"))
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < 12e6
    assert encoder.sha256 == card["sha256"]["model.safetensors"] == sha256_of(EMBEDDED / "model.safetensors")
    assert card["scores"]["cosine_phrasings"] > 0.95
    assert card["scores"]["student"]["top1"] >= card["scores"]["teacher"]["top1"] - 0.02


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(MedVLPError, match=f"{name} is not the file that its card describes"):
        TextEncoder.load(copy)


def test_missing_folder_file_and_card(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="does not exist"):
        TextEncoder.load(tmp_path / "nowhere")
    (copy / "vocab.txt").unlink()
    with pytest.raises(MedVLPError, match="missing"):
        TextEncoder.load(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(MedVLPError, match=r"has no model\.safetensors"):
        TextEncoder.load(copy)


@pytest.mark.parametrize("card", ["{", "[]", "{}", '{"sha256": {}}', '{"sha256": 3}'])
def test_an_unreadable_card_is_refused(copy: Path, card: str) -> None:
    (copy / "card.json").write_text(card, encoding="utf-8")
    with pytest.raises(MedVLPError, match="not a readable card"):
        TextEncoder.load(copy)


def test_a_folder_without_card_is_loaded_unchecked(copy: Path, encoder: TextEncoder) -> None:
    (copy / "card.json").unlink()
    other = TextEncoder.load(str(copy))
    assert other.sha256 == encoder.sha256
    np.testing.assert_array_equal(other.encode(["liver"]), encoder.encode(["liver"]))


def test_damaged_weights_without_card_are_one_clear_sentence(copy: Path) -> None:
    (copy / "card.json").unlink()
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(MedVLPError, match="cannot be loaded as a text model"):
        TextEncoder.load(copy)


def test_a_hub_id_needs_the_explicit_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(MedVLPError, match="allow_download"):
        TextEncoder.load("sentence-transformers/all-MiniLM-L6-v2")


def test_importing_the_text_package_does_not_import_torch() -> None:
    code = "import sys, vlp3d_core.text, vlp3d_core.text.encoder; print({'torch', 'transformers'} & set(sys.modules))"
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
