"""The settings of a training job as far as they are known before it starts; needs no torch, but YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlp3d_core.errors import UsageError
from vlp3d_core.service.jobs.spec import JobSpec

if TYPE_CHECKING:
    from vlp3d_core.train.settings import RunSettings


def settings_of(spec: JobSpec) -> RunSettings:
    """Of a pretraining or a fine-tuning; what a plan will decide from the volumes is a stand-in.

    Raises:
        UsageError: another kind, an unknown recipe, or a setting that makes no sense.
        ImportError: YAML is not installed.
    """
    from vlp3d_core.train.plan_early import SIZES, settings_before_plan
    from vlp3d_core.train.pretrain_config import load_pretrain_config
    from vlp3d_core.train.tasks import load_task

    if spec.kind == "pretrain":
        return load_pretrain_config(spec.method, spec.recipe or "small", spec.overrides)
    if spec.kind != "finetune":
        raise UsageError(f"A job of the kind {spec.kind!r} has no settings.", "Only trainings have.")
    size = spec.recipe.removeprefix("segment-")
    return settings_before_plan(size, spec.overrides) if size in SIZES else load_task(spec.recipe, spec.overrides)
