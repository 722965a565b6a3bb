"""What the panel's form says, as a JobSpec, and back again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.errors import UsageError
from vlp3d_core.service.jobs.spec import JobSpec

FINETUNE = "finetune"
METHODS = (FINETUNE, "gtgm", "t3d", "mg3d")
MODALITIES = ("CT", "MR", "EM", "PT")
SETTINGS = {"steps": "steps", "batch": "batch", "patch": "patch", "learningRate": "learning_rate", "seed": "seed"}
"""Field of the form → the engine's name of the setting."""


@dataclass(frozen=True)
class Form:
    """The form, as texts; "" leaves a setting to the recipe.

    Attributes:
        method: one of `METHODS`.
        modality: of the volumes that are learned; "" for the one that there is.
        init: folder of a run or bundle to start from.
        more: further settings, one `key=value` a line.
        target: "local", or "slurm:PROFILE".
    """

    method: str = FINETUNE
    recipe: str = "small"
    name: str = ""
    modality: str = ""
    init: str = ""
    steps: str = ""
    batch: str = ""
    patch: str = ""
    learningRate: str = ""
    seed: str = ""
    labelFraction: str = ""
    more: str = ""
    target: str = "local"
    manifest: str = ""


def recipesOf(method: str) -> tuple[str, ...]:
    """The sizes that there are for a method."""
    return ("small", "base") if method == FINETUNE else ("small", "base", "paper")


def specOf(form: Form) -> JobSpec:
    """The job.

    Raises:
        UsageError: a line that is no setting, a setting said twice, or a value that is none.
    """
    overrides = [f"{SETTINGS[key]}={_value(key, text)}" for key in SETTINGS if (text := getattr(form, key).strip())]
    overrides += _lines(form.more)
    keys = [word.partition("=")[0] for word in overrides]
    if form.modality and "modality" not in keys:  # further settings are more exact
        overrides.insert(0, f"modality={form.modality}")
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise UsageError(_("The setting {name} is said twice.").format(name=twice[0]), _("Remove one of them."))
    name, init = " ".join(form.name.split())[:200], form.init.strip()
    if form.method != FINETUNE:
        return JobSpec("pretrain", form.manifest.strip(), name, form.target, form.method, form.recipe, tuple(overrides))
    if name:  # a planned model is called by it
        overrides += [f"name={modelName(name)}"] if "name" not in keys else []
        overrides += [f"title={json.dumps(name, ensure_ascii=False)}"] if "title" not in keys else []
    options: dict[str, Any] = {"init": init} if init else {}
    if form.labelFraction.strip():
        options["label-fraction"] = _fraction(form.labelFraction.strip())
    return JobSpec(
        FINETUNE, form.manifest.strip(), name, form.target, recipe=form.recipe, overrides=tuple(overrides),
        options=options,
    )  # fmt: skip


def formOf(spec: JobSpec) -> Form:
    """The form that gives this job; raises UsageError for a job that is no training."""
    if spec.kind not in (FINETUNE, "pretrain"):
        raise UsageError(_("Only trainings can be cloned."), _("Start it again from a shell: vlp3d jobs submit."))
    texts = {key: str(spec.options.get(name, "")) for key, name in (("init", "init"), ("seed", "seed"))}
    texts["labelFraction"] = str(spec.options.get("label-fraction", ""))
    more, fields = [], {setting: key for key, setting in SETTINGS.items()}
    for word in spec.overrides:
        key, _equals, value = word.partition("=")
        if key == "modality" and value in MODALITIES:
            texts[key] = value
        elif key in fields:
            texts[fields[key]] = ", ".join(re.findall(r"\d+", value)) if key == "patch" else value
        elif not (key in ("name", "title") and spec.kind == FINETUNE and spec.name):
            more.append(word)
    form = Form(spec.method or FINETUNE, spec.recipe, spec.name, target=spec.target, manifest=spec.manifest)
    return replace(form, more="\n".join(more), **texts)


def modelName(text: str) -> str:
    """As a model may be called: small letters, digits, dots, dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:64] or "model"


def _value(key: str, text: str) -> str:
    if key != "patch":
        return text
    edges = re.findall(r"\d+", text)
    edges = edges * 3 if len(edges) == 1 else edges
    if len(edges) != 3 or re.search(r"[^\d\s,;x×\[\]]", text):
        raise UsageError(_("'{text}' is not a patch.").format(text=text), _("Write three whole numbers: 64, 64, 48."))
    return f"[{', '.join(edges)}]"


def _fraction(text: str) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise UsageError(_("'{text}' is not a part of the labels.").format(text=text), _("Write 0.1 for a tenth."))
    return value


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    words = [line for line in lines if line and not line.startswith("#")]
    for word in words:
        if not re.match(r"[A-Za-z_]\w*=", word):
            raise UsageError(
                _("'{line}' is not a setting.").format(line=word), _("Write one key=value a line, without blanks.")
            )
    return words
