"""Make the text tower: a small BERT that stands in for all-MiniLM-L6-v2 on what people say about anatomy.

    python -m vlp3d_core.train.distill_text --teacher FOLDER --out FOLDER [--steps N --seed 0 ...]
    python -m vlp3d_core.train.distill_text --teacher FOLDER --out FOLDER --evaluate

The student keeps the teacher's width, takes over its word vectors for a pruned vocabulary and some of its layers, and
learns to give the teacher's sentence vectors (knowledge distillation of sentence embeddings as in Reimers & Gurevych,
EMNLP 2020), together with the teacher's similarities between the phrases of a batch. Only the making needs the teacher.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from random import Random
from typing import Any

import yaml
from transformers import BertModel

from vlp3d_core.errors import MedVLPError
from vlp3d_core.progress import Progress, silent
from vlp3d_core.text.concepts import concepts, groups
from vlp3d_core.text.encoder import CARD, WEIGHTS, TextEncoder, quiet_transformers
from vlp3d_core.text.phrases import Phrase, Phrases, make_phrases
from vlp3d_core.train.prune_vocabulary import frequent_words, kept_pieces, write_tokenizer
from vlp3d_core.train.text_card import concepts_sha256, measure, write_card
from vlp3d_core.train.text_student import Recipe, agreed, make_student, train_student

RECIPE = Path(__file__).parent / "recipes" / "text_tower.yaml"
WORD_CONTEXTS = ("{x}", "the {x}", "find the {x}", "where is the {x}?", "segment the {x}", "{x} {y}", "{x} of the {y}")


def read_recipe(path: Path = RECIPE) -> Recipe:
    """Read a recipe file. Raises MedVLPError for missing or unknown options."""
    try:
        return Recipe(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise MedVLPError(f"{path} is not a text tower recipe: {error}.", f"Compare it with {RECIPE.name}.") from error


def training_phrases(recipe: Recipe) -> Phrases:
    """The phrases of a recipe, from the concepts of this package."""
    return make_phrases(concepts(), groups(), recipe.per_name, recipe.held_out_per_name, recipe.general, recipe.seed)


def word_phrases(words: Sequence[str], seed: int) -> list[Phrase]:
    """Every word alone and in a random small phrase, so that words without a concept keep their distance from all."""
    random = Random(f"{seed}/words")
    texts = [random.choice(WORD_CONTEXTS).format(x=word, y=random.choice(words)) for word in words]
    return [Phrase(text) for text in dict.fromkeys([*words, *texts])]


def distill(
    teacher: Path, out: Path, recipe: Recipe, phrases: Phrases | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Make the tower in the folder `out` (replaced when it exists) and give its card.

    Args:
        teacher: folder of a BERT sentence encoder with mean pooling, safetensors weights and tokenizer.json.
        out: the folder to write: config, tokenizer, float16 weights, card with measured scores.
        recipe: all options.
        phrases: what to learn and what to be measured on; the recipe's phrases of this package's concepts when None.
        progress: told of each step.
    """
    reader = TextEncoder.load(teacher)
    phrases = training_phrases(recipe) if phrases is None else phrases
    shown = [*phrases.train, *word_phrases(frequent_words(reader.tokenizer, recipe.words), recipe.seed)]
    texts = [phrase.text for phrase in shown]
    trained_on = {"phrases": len(texts), "concepts_sha256": concepts_sha256()}
    progress("reading phrases with the teacher", 0.0)
    targets = agreed(reader.encode(texts), shown, recipe.consensus)
    kept = kept_pieces(reader.tokenizer, texts, recipe.vocabulary)
    student = make_student(teacher, kept, recipe.layers, recipe.positions)

    work = out.with_name(f".{out.name}.new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_tokenizer(teacher, kept, recipe.positions, work)
    # The weights go through a folder that TextEncoder can load, so that training reads text exactly as users do.
    _save(student, work)
    train_student(student, TextEncoder.load(work).tokenizer, texts, targets, recipe, progress)
    _save(student.half(), work)
    scores = measure(reader, TextEncoder.load(work), phrases)
    for path in work.iterdir():
        path.chmod(0o644)  # the safetensors writer makes private files
    card = write_card(work, asdict(recipe), teacher, trained_on, scores)
    shutil.rmtree(out, ignore_errors=True)
    work.rename(out)
    return card


def _save(student: BertModel, folder: Path) -> None:
    with quiet_transformers():
        student.save_pretrained(folder)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; every option of the recipe can be set (`--steps 10`)."""
    parser = argparse.ArgumentParser(prog="python -m vlp3d_core.train.distill_text", description=__doc__.split("\n")[0])
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tower")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="YAML file of options")
    parser.add_argument("--evaluate", action="store_true", help="only measure the tower in --out, and print the scores")
    parser.add_argument("--update-card", action="store_true", help="with --evaluate: write the scores into the card")
    for option in fields(Recipe):
        parser.add_argument(f"--{option.name.replace('_', '-')}", type=float if option.type == "float" else int)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(argv)
    given = {option.name: getattr(args, option.name) for option in fields(Recipe)}
    try:
        recipe = replace(
            read_recipe(args.recipe), **{name: value for name, value in given.items() if value is not None}
        )
        if args.evaluate:
            scores = measure(TextEncoder.load(args.teacher), TextEncoder.load(args.out), training_phrases(recipe))
            if args.update_card:
                card = json.loads((args.out / CARD).read_text(encoding="utf-8"))
                write_card(args.out, card["recipe"], args.teacher, card["trained_on"], scores)
        else:
            scores = distill(args.teacher, args.out, recipe, progress=_print_progress)["scores"]
            print(f"{args.out / WEIGHTS}: {(args.out / WEIGHTS).stat().st_size / 1e6:.2f} MB")
    except MedVLPError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(scores, indent=1))
    return 0


def _print_progress(stage: str, fraction: float) -> None:
    if round(fraction * 1000) % 50 == 0:
        print(f"{fraction:5.0%} {stage}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
