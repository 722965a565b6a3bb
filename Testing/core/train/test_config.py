"""Recipes and their changes: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vlp3d_core.errors import UsageError
from vlp3d_core.text.concepts import concepts
from vlp3d_core.train.config import FinetuneConfig, load_config
from vlp3d_core.train.settings import RECIPES

MINIMAL = {
    "name": "m",
    "concepts": ["liver"],
    "spacing": [2, 2, 2.5],
    "normalisation": {"kind": "window", "low": 0, "high": 1},
    "modality": "CT",
}
FINETUNING = sorted(p.stem for p in RECIPES.glob("*.yaml") if "concepts" in yaml.safe_load(p.read_text()))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    return path


def test_defaults_and_types(recipe: Path) -> None:
    config = load_config(recipe)
    assert config.spacing == (2.0, 2.0, 2.5) and all(isinstance(mm, float) for mm in config.spacing)
    assert config.patch == (64, 64, 64) and config.concepts == ("liver",)
    assert FinetuneConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in MINIMAL.items()}) == config


def test_overrides(recipe: Path) -> None:
    changes = ["steps=7", "learning_rate=2e-3", "patch=[8, 16, 24]", "concepts=[spleen, liver]", "title=a = b", "ema=0"]
    config = load_config(recipe, changes)
    assert (config.steps, config.learning_rate, config.patch) == (7, 0.002, (8, 16, 24))
    assert config.concepts == ("spleen", "liver") and config.title == "a = b" and config.ema == 0.0


def test_one_entry_of_a_setting(recipe: Path) -> None:
    words = ["variation.elastic=3", "variation.slabs=0.5", "variation.elastic=4", "normalisation.low=-20"]
    config = load_config(recipe, words)
    assert config.variation == {"elastic": 4, "slabs": 0.5}
    assert config.normalisation == {**load_config(recipe).normalisation, "low": -20}
    assert load_config(recipe, ["variation={slabs: 0.1}", "variation.elastic=3"]).variation == {
        "slabs": 0.1,
        "elastic": 3,
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("spacing.x=3", "spacing has no entries"),
        ("variation.elastics=3", "unknown settings: elastics"),
        ("stepz=3", "unknown settings: stepz"),
        ("steps", "not an override"),
        ("steps=many", "steps cannot be 'many'"),
        ("steps=1.5", "It is a whole number"),
        ("steps=true", "steps cannot be True"),
        ("steps=0", "steps must be above 0"),
        ("ema=1", "ema must be below 1"),
        ("workers=-1", "must not be negative"),
        ("label_fraction=0", "must be above 0"),
        ("label_fraction=1.1", "must not be above 1"),
        ("spacing=[1, 2]", "a list of 3 numbers"),
        ("spacing=[1, 2, x]", "spacing cannot be 'x'"),
        ("spacing=[1, 2, 0]", "spacing must be above 0"),
        ("patch=64", "a list of 3 numbers"),
        ("concepts=liver", "concepts cannot be 'liver'"),
        ("concepts=[]", "must have 1 to 255"),
        ("concepts=[liver, liver]", "twice"),
        ("concepts=[livr]", "not concepts: livr"),
        ("anchors=[spleen]", "not in concepts: spleen"),
        ("postprocess={spleen: {}}", "not in concepts: spleen"),
        ("data=[1]", "data cannot be 1"),
        ("name=3", "name cannot be 3"),
        ("title={", "not a value for title"),
    ],
)
def test_a_wrong_change_is_named(recipe: Path, change: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(recipe, [change])
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [", "not valid YAML"),
        (b"- 1", "not a recipe"),
        (b"\xff\xff", "not valid YAML"),
        (b"name: x", "lacks spacing, normalisation, modality, concepts"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=r"r\.yaml") as caught:
        load_config(tmp_path / "r.yaml")
    assert reason in str(caught.value)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no recipe 'nope'.*ct-head-neck"):
        load_config("nope")


@pytest.mark.parametrize("name", FINETUNING)
def test_recipes_that_ship(name: str) -> None:
    config = load_config(name)
    assert set(config.concepts) <= set(concepts())
    assert config.title and config.description and config.licence and config.data


def test_the_splits_of_the_embedded_model() -> None:
    splits: dict[str, Any] = load_config("ct-head-neck").splits
    validation, test = set(splits["validation"]), set(splits["test"])
    assert len(splits["validation"]) == len(validation) == len(splits["test"]) == len(test) == 24
    assert not validation & test


def test_settings_survive_json(recipe: Path) -> None:
    import json

    config = load_config(recipe)
    assert json.loads(json.dumps(config.to_json()))["patch"] == [64, 64, 64]
