"""The distillation recipe on a tiny random teacher: it runs, learns, is repeatable, and its card tells the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from vlp3d_core.errors import MedVLPError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.text.encoder import TextEncoder
from vlp3d_core.text.phrases import Phrase, Phrases, make_phrases
from vlp3d_core.train.distill_text import distill, main, read_recipe
from vlp3d_core.train.text_card import measure
from vlp3d_core.train.text_student import Recipe, agreed, loss_of

WORDS = ["the", "left", "right", "kidney", "liver", "renal", "segment", "show", "of", "on", "side", "apple", "zebra"]
CHARACTERS = [chr(code) for code in range(33, 127) if not chr(code).isupper()]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two random layers with a vocabulary of words and characters."""
    folder = tmp_path_factory.mktemp("teacher")
    pieces = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *WORDS]
    pieces += [f"##{character}" for character in CHARACTERS if character.isalnum()]
    tokenizer = Tokenizer(WordPiece({piece: row for row, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)]
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=128, initializer_range=0.2,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def phrases() -> Phrases:
    few = {name: concepts()[name] for name in ("kidney_left", "kidney_right", "liver")}
    return make_phrases(few, {}, per_name=3, general=20)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return replace(read_recipe(), layers=1, vocabulary=0, positions=32, words=3, steps=40, batch=16, warmup=2)


@pytest.fixture(scope="module")
def tower(teacher: Path, phrases: Phrases, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "tower"
    distill(teacher, out, recipe, phrases)
    return out


def test_training_brings_the_student_to_the_teacher(
    teacher: Path, phrases: Phrases, recipe: Recipe, tower: Path, tmp_path: Path
) -> None:
    distill(teacher, tmp_path / "raw", replace(recipe, steps=0), phrases)
    scores = [measure(TextEncoder.load(teacher), TextEncoder.load(f), phrases) for f in (tmp_path / "raw", tower)]
    assert scores[1]["cosine_phrasings"] > scores[0]["cosine_phrasings"] + 0.01


def test_the_card_holds_recipe_scores_and_hashes(teacher: Path, phrases: Phrases, recipe: Recipe, tower: Path) -> None:
    card = json.loads((tower / "card.json").read_text(encoding="utf-8"))
    encoder = TextEncoder.load(tower)
    assert card["scores"] == measure(TextEncoder.load(teacher), encoder, phrases)
    assert card["sha256"]["model.safetensors"] == encoder.sha256
    assert card["recipe"]["steps"] == recipe.steps
    assert not list(tower.parent.glob(".*"))


def test_the_same_seed_gives_the_same_weights(
    teacher: Path, phrases: Phrases, recipe: Recipe, tower: Path, tmp_path: Path
) -> None:
    distill(teacher, tmp_path / "again", recipe, phrases)
    assert TextEncoder.load(tmp_path / "again").sha256 == TextEncoder.load(tower).sha256


def test_pruning_keeps_the_cut_of_trained_words_and_spells_the_others(teacher: Path, tower: Path) -> None:
    full, pruned = TextEncoder.load(teacher).tokenizer, TextEncoder.load(tower).tokenizer
    assert len(pruned) < len(full)
    assert pruned.tokenize("the LEFT kidney") == full.tokenize("the left kidney")
    assert pruned.tokenize("zebra") == ["z", "##e", "##b", "##r", "##a"] != full.tokenize("zebra")
    assert pruned.unk_token not in pruned.tokenize("quick, brown fox-12")


def test_loss_is_zero_for_equal_vectors_and_positive_otherwise() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    assert loss_of(vectors, vectors, 1.0).item() == pytest.approx(0.0, abs=1e-6)
    assert loss_of(vectors.roll(1, 0), vectors, 1.0) > loss_of(vectors.roll(1, 0), vectors, 0.0) > 0.1


def test_targets_of_a_concept_move_together_and_sentences_stay() -> None:
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0][:3].astype(np.float32)
    moved = agreed(vectors, [Phrase("a", "x"), Phrase("b", "x"), Phrase("c")], 0.5)
    assert moved[0] @ moved[1] > vectors[0] @ vectors[1] + 0.3
    np.testing.assert_allclose(moved[2], vectors[2], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, atol=1e-6)


def test_wrong_recipe_and_missing_teacher_are_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text("seed: 0\nstepps: 3\n", encoding="utf-8")
    with pytest.raises(MedVLPError, match="not a text tower recipe"):
        read_recipe(tmp_path / "r.yaml")
    assert main(["--teacher", str(tmp_path / "none"), "--out", str(tmp_path / "o")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_vectors_survive_half_precision(tower: Path) -> None:
    vectors = TextEncoder.load(tower).encode(["left kidney", "liver"])
    assert np.isfinite(vectors).all()
    assert vectors.shape == (2, 32)
