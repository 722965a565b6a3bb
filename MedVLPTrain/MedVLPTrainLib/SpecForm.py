"""What the panel's form says, as a JobSpec, and back again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from MedVLPLib.Texts import _
from MedVLPTrainLib.Settings import override, readLines, settingsOf, typed, writeLines
from vlp3d_core.errors import UsageError
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.volume.volume import MODALITIES

FINETUNE = "finetune"
METHODS = (FINETUNE, "gtgm", "t3d", "mg3d")
OPTIONS = {"seed": "seed", "label-fraction": "label_fraction"}
"""Options of a job that was submitted in a shell → the settings that they stand for."""


@dataclass(frozen=True)
class Form:
    """The form, as texts; "" leaves a setting to the recipe.

    Attributes:
        method: one of `METHODS`.
        modality: of the volumes that are learned; "" for the one that there is.
        init: folder of a run or bundle to start from.
        settings: those of the form's fields, one `key=value` a line; those that the method does not have rest there.
        more: further settings, one `key=value` a line.
        target: "local", or "slurm:PROFILE".
    """

    method: str = FINETUNE
    recipe: str = "small"
    name: str = ""
    modality: str = ""
    init: str = ""
    settings: str = ""
    more: str = ""
    target: str = "local"
    manifest: str = ""


def specOf(form: Form) -> JobSpec:
    """The job.

    Raises:
        UsageError: a line that is no setting, a setting said twice, or a value that is none.
    """
    values = readLines(form.settings)
    overrides = [
        f"{one.name}={override(one, text)}" for one in settingsOf(form.method) if (text := values.get(one.name, ""))
    ]
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
    options = {"init": init} if init else {}
    return JobSpec(
        FINETUNE, form.manifest.strip(), name, form.target, recipe=form.recipe, overrides=tuple(overrides),
        options=options,
    )  # fmt: skip


def formOf(spec: JobSpec) -> Form:
    """The form that gives this job; raises UsageError for a job that is no training."""
    if spec.kind not in (FINETUNE, "pretrain"):
        raise UsageError(_("Only trainings can be cloned."), _("Start it again from a shell: vlp3d jobs submit."))
    names = {one.name for one in settingsOf(spec.method or FINETUNE)}
    settings = {setting: typed(spec.options[name]) for name, setting in OPTIONS.items() if name in spec.options}
    more, modality = [], ""
    for word in spec.overrides:
        key, _equals, value = word.partition("=")
        if key == "modality" and value in MODALITIES:
            modality = value
        elif key in names:
            settings[key] = typed(value)
        elif not (key in ("name", "title") and spec.kind == FINETUNE and spec.name):
            more.append(word)
    return Form(
        spec.method or FINETUNE, spec.recipe, spec.name, modality, str(spec.options.get("init", "")),
        writeLines(settings), "\n".join(more), spec.target, spec.manifest,
    )  # fmt: skip


def modelName(text: str) -> str:
    """As a model may be called: small letters, digits, dots, dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:64] or "model"


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    words = [line for line in lines if line and not line.startswith("#")]
    for word in words:
        if not re.match(r"[A-Za-z_]\w*=", word):
            raise UsageError(
                _("'{line}' is not a setting.").format(line=word), _("Write one key=value a line, without blanks.")
            )
    return words
