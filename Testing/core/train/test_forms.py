"""The settings that a form shows, and the classes that they come from, say the same."""

from __future__ import annotations

import json

import pytest

from vlp3d_core.errors import UsageError
from vlp3d_core.model import encoders
from vlp3d_core.train.forms import FILE, forms
from vlp3d_core.train.plan_early import settings_before_plan
from vlp3d_core.train.pretrain_config import load_pretrain_config
from vlp3d_core.train.settings import ENCODERS

SETTINGS = [(method, one) for method, form in forms().items() for one in form["settings"]]


def test_the_file_is_up_to_date() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == forms(), "run python -m vlp3d_core.train.forms"


def test_encoders_are_those_that_there_are() -> None:
    assert tuple(encoders.ENCODERS) == ENCODERS


@pytest.mark.parametrize(
    ("method", "one"), SETTINGS, ids=lambda value: value if isinstance(value, str) else value["name"]
)
def test_each_setting_is_explained_and_checked(method: str, one: dict) -> None:
    assert one["help"].endswith(".") and one["help"][0].isupper() and "\n" not in one["help"]
    wrong = "{a: 1}" if one["kind"] == "text" else "[a, b]"
    words = [f"{one['name']}={wrong}"]
    with pytest.raises(UsageError, match=f"setting {one['name']}"):
        settings_before_plan("small", words) if method == "finetune" else load_pretrain_config(method, "small", words)


def test_another_encoder_starts_from_its_own_options() -> None:
    assert load_pretrain_config("gtgm", "small", ["encoder=resnet-50"]).encoder_options == {}
    words = ["encoder=resnet-50", "encoder_options={width: 16}"]
    assert settings_before_plan("small", words).encoder_options == {"width": 16}
