"""A job as a batch script, and the options that it is handed to sbatch with."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from vlp3d_core.service.jobs.command import TRAINING
from vlp3d_core.service.jobs.folder import CANCEL
from vlp3d_core.service.jobs.log import LOG
from vlp3d_core.service.jobs.slurm.profile import Profile
from vlp3d_core.service.jobs.spec import JobSpec

SCRIPT, OUT_OF_TIME, AGAIN_PLEASE = "batch.sh", ".out-of-time", ".again-please"
"""The last two are empty files: the script's word to the job, and the job's to the script."""
MARGIN = 60
"""Seconds beside those for saving: SLURM looks at the time twice a minute."""
MODULE = "vlp3d_core.service.jobs.slurm"


def options(profile: Profile, spec: JobSpec, folder: Path) -> list[str]:
    """Options of sbatch; ours come last and win."""
    resources = spec.resources
    gpus = profile.gpus if resources.gpus is None else resources.gpus
    memory = resources.memory_gb if resources.memory_gb is not None and not gpus else profile.memory_gb
    training = spec.kind in TRAINING
    said = {
        "partition": profile.partition,
        "account": profile.account,
        "time": profile.time,
        "cpus-per-task": profile.cpus,
        "mem": memory and f"{math.ceil(memory * 1e9 / 2**20)}M",
        "gres": gpus and f"gpu:{gpus}",
        "nodes": profile.nodes if training else 1,
        "ntasks-per-node": max(1, gpus) if training else 1,
        "job-name": f"vlp3d-{folder.name}",
        "chdir": folder,
        "output": LOG,
        "open-mode": "append",
        "signal": f"B:USR1@{_warning(profile, resources.stop_seconds)}",
    }
    return [*profile.options, *(f"--{key}={value}" for key, value in said.items() if value), "--requeue"]


def batch_script(profile: Profile, folder: Path, module: str, words: Sequence[str], stop_seconds: float) -> str:
    """What SLURM runs on the job's first node: set-up lines, then one process for each GPU, in the container.

    SLURM's signals end here as files in the folder: processes of the job may sit in a container, and a signal would
    reach all of them, also those that do not expect it.

    Args:
        module: of this package, run with `words`.
        stop_seconds: after a request to stop.
    """
    cpus = f"--cpus-per-task={profile.cpus} " if profile.cpus else ""  # srun does not take it from sbatch
    command = shlex.join([profile.interpreter, "-m", f"{MODULE}.{module}", str(folder), *words])
    lines = [
        "#!/bin/bash",
        'say() { echo "[$(date -u +%Y-%m-%dT%H:%M:%SZ)] $*"; }',
        f"cd {shlex.quote(str(folder))} || exit 1",
        'say "SLURM job $SLURM_JOB_ID on $(hostname)${SLURM_RESTART_COUNT:+, started again}."',
        f"trap 'touch {OUT_OF_TIME}' USR1",
        f"""trap 'touch {CANCEL}; (sleep {stop_seconds + MARGIN:.0f}; scancel "$SLURM_JOB_ID") &' USR2""",
        "trap : TERM",
        "export PYTHONSAFEPATH=1",
        "set -e",
        """trap 'say "The set-up failed at: $BASH_COMMAND"' ERR""",
        *profile.setup,
        "trap - ERR",
        "set +e",
        f"srun --input=none --kill-on-bad-exit=1 {cpus}{profile.container} {command} &",
        "step=$!",
        "while kill -0 $step 2>/dev/null; do wait $step; done",  # a signal ends a wait
        "wait $step",
        "code=$?",
        f'rm {AGAIN_PLEASE} 2>/dev/null && scontrol requeue "$SLURM_JOB_ID"',
        "exit $code",
    ]
    return "\n".join(lines) + "\n"


def _warning(profile: Profile, stop_seconds: float) -> int:
    """How long before the end of its time a job is told; at most half of that time."""
    wanted = math.ceil(stop_seconds) + MARGIN
    return min(wanted, (profile.seconds or 2 * wanted) // 2)
