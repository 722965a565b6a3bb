"""A job as the one `vlp3d` command line that a user could have typed."""

from __future__ import annotations

from pathlib import Path

from vlp3d_core.service.jobs.spec import JobSpec, Value

RUN, CHECKPOINT = "run", Path("run", "checkpoints", "last.ckpt")
"""What the command fills, and what a training run goes on from, in the job's folder."""
METRICS = Path("run", "csv", "metrics.csv")
TRAINING = ("pretrain", "finetune")


def arguments(spec: JobSpec, folder: Path, resume: bool = False) -> list[str]:
    """What stands behind `vlp3d`, one text an argument; no shell reads it.

    Args:
        folder: of the job, absolute.
        resume: go on from the checkpoint of a training run; other commands start again (`caption` keeps what it made).
    """
    run, words = folder / RUN, [f"--manifest={spec.manifest}"]
    if spec.kind in TRAINING:
        recipe = [f"--recipe={spec.recipe}"] if spec.recipe else []
        method = [spec.method] if spec.method else []
        going_on = ["--resume"] if resume else []
        words = [spec.kind, *method, *spec.overrides, *recipe, *words, f"--out={run}", *going_on]
    elif spec.kind == "evaluate":
        words = ["evaluate", spec.method, *words]
    elif spec.kind == "caption":
        words = ["caption", spec.manifest, f"--output={run / 'captioned.jsonl'}"]
    else:
        # Volumes are brought to a model's grid by the run itself, into its own folder, as its recipe says: what can be
        # done before is to open every file and find what a run would stop at.
        words = ["manifest", "check", spec.manifest]
    return [*words, *(word for key, value in spec.options.items() for word in _option(key, value)), "--json"]


def _option(key: str, value: Value) -> list[str]:
    """Value and name in one word, so that no value can be taken for another option."""
    if isinstance(value, bool):
        return [f"--{key}"] if value else []
    return [f"--{key}={value}"]
