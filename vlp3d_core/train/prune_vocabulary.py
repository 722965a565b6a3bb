"""A WordPiece vocabulary cut down to what the phrases need, as a copy of the teacher's tokenizer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def kept_pieces(tokenizer: Any, texts: Iterable[str], size: int) -> dict[str, int]:
    """Pieces to keep → their row in the teacher's embedding matrix, in the teacher's order, [PAD] first.

    Kept are the special tokens, all single characters of alphabetic scripts with their `##` forms (so that no word is
    unknown), every piece of the texts and, up to `size`, the teacher's most frequent pieces (BERT's vocabulary is
    sorted by frequency). WordPiece takes the longest piece first, so a word whose pieces are all kept is cut
    into the same pieces as before.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    by_row = sorted(vocabulary, key=vocabulary.__getitem__)
    kept = {*SPECIAL, *(piece for piece in by_row if _is_character(piece))}
    for text in texts:
        kept.update(tokenizer.tokenize(text))
    for piece in by_row:
        if len(kept) >= size:
            break
        if piece.removeprefix("##").isascii() and not piece.startswith("["):
            kept.add(piece)
    return {piece: vocabulary[piece] for piece in by_row if piece in kept}


def frequent_words(tokenizer: Any, count: int) -> list[str]:
    """The teacher's `count` most frequent whole English words of three letters and more."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    words = (piece for piece in sorted(vocabulary, key=vocabulary.__getitem__) if len(piece) > 2)
    return [word for word in words if word.isascii() and word.isalpha()][:count]


def write_tokenizer(teacher: Path, kept: dict[str, int], positions: int, out: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and vocab.txt with the kept pieces renumbered from 0.

    Lower-casing, accent stripping and splitting stay as the teacher has them.
    """
    index = {piece: row for row, piece in enumerate(kept)}
    tokenizer = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["vocab"] = index
    tokenizer["truncation"] = tokenizer["padding"] = None
    for token in tokenizer["added_tokens"]:
        token["id"] = index[token["content"]]
    for token in tokenizer["post_processor"]["special_tokens"].values():
        token["ids"] = [index[piece] for piece in token["tokens"]]
    configuration = {
        **{name: f"[{name.split('_')[0].upper()}]" for name in ("unk_token", "sep_token", "pad_token", "cls_token")},
        "mask_token": "[MASK]", "do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True,
        "tokenizer_class": "BertTokenizer", "model_max_length": positions,
    }  # fmt: skip
    _write(out / "tokenizer.json", json.dumps(tokenizer, ensure_ascii=False))
    _write(out / "tokenizer_config.json", json.dumps(configuration, indent=1) + "\n")
    _write(out / "vocab.txt", "".join(piece + "\n" for piece in index))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _is_character(piece: str) -> bool:
    """A single character or its `##` form, of an alphabetic script or a sign; not one of the thousands of CJK."""
    character = piece.removeprefix("##")
    if len(character) != 1:
        return False
    script = unicodedata.name(character, "").split(" ")[0]
    return (ord(character) < 0x2500 and script in {"LATIN", "GREEK", "CYRILLIC"}) or not character.isalpha()
