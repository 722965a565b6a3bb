"""The settings that matter of each training method, as data for a form: what a host without torch or YAML can show.

`python -m vlp3d_core.train.forms` writes `forms.json`; a test holds it against the settings' classes and the recipes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.plan_early import SIZES as PLANNED
from vlp3d_core.train.plan_early import settings_before_plan, template_of
from vlp3d_core.train.pretrain_config import SIZES, PretrainConfig, load_pretrain_config
from vlp3d_core.train.settings import RunSettings

FILE = Path(__file__).with_name("forms.json")
ALWAYS = ("steps", "batch", "patch", "spacing", "learning_rate", "encoder")
PAIRS = (*ALWAYS, "temperature", "data_fraction")
MATTER = {
    "finetune": (*ALWAYS, "ema", "label_fraction", "seed"),
    "gtgm": (*PAIRS, "barlow_weight", "seed"),
    "t3d": (*PAIRS, "objectives", "seed"),
    "mg3d": (*PAIRS, "clip_weight", "seed"),
}
"""Method → settings, in the order of a form. All others can be written as `key=value`."""
KINDS = {int: "integer", float: "number", str: "text", bool: "flag"}


def forms() -> dict[str, Any]:
    """Method → "settings": name, kind, help and choices of each; "recipes": size → what it says of each.

    Kinds are those of `KINDS`; "integers" and "numbers" are three (along R, A, S), "texts" any number. A value that a
    plan decides from the volumes is null.
    """
    made = {}
    for method, names in MATTER.items():
        kind = FinetuneConfig if method == "finetune" else PretrainConfig
        sizes = PLANNED if method == "finetune" else SIZES
        made[method] = {
            "settings": [_setting(kind, name) for name in names],
            "recipes": {size: _values(method, size, names) for size in sizes},
        }
    return made


def _setting(kind: type[RunSettings], name: str) -> dict[str, Any]:
    hint, field = get_type_hints(kind)[name], next(one for one in fields(kind) if one.name == name)
    several = get_origin(hint) is tuple
    text = dict(_helps(kind))[name]
    return {
        "name": name,
        "kind": KINDS[get_args(hint)[0]] + "s" if several else KINDS[hint],
        "help": f"{text[:1].upper()}{text[1:]}",
        "choices": list(field.metadata.get("choices", ())),
    }


def _helps(kind: type) -> Iterator[tuple[str, str]]:
    """(setting, what its class says of it) of a class and those that it stands on."""
    for one in reversed(kind.__mro__[:-1]):
        text = (inspect.getdoc(one) or "").partition("Attributes:\n")[2]
        for entry in re.split(r"\n(?=    \w)", text):
            names, _colon, about = entry.partition(": ")
            for name in names.split(","):
                yield name.strip(), " ".join(about.split())


def _values(method: str, size: str, names: tuple[str, ...]) -> dict[str, Any]:
    if method != "finetune":
        settings = load_pretrain_config(method, size).to_json()
        return {name: settings[name] for name in names}
    template, settings = template_of(size)[0], settings_before_plan(size, ()).to_json()
    given = {one.name for one in fields(FinetuneConfig) if one.default is not MISSING} - {"patch"} | set(template)
    return {name: settings[name] if name in given else None for name in names}


if __name__ == "__main__":
    FILE.write_text(json.dumps(forms(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
