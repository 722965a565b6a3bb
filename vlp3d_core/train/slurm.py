"""A run as a SLURM job: before it is taken from its node it saves, queues itself again, and goes on when restarted.

SLURM sends SIGTERM to a job that gives way to another one, and the signal of `sbatch --signal=USR1@SECONDS` that long
before its time is over. Lightning can requeue, too, but saves inside of the signal's handler, in the middle of a step.
"""

from __future__ import annotations

import os
import re
import subprocess

INTERACTIVE = ("bash", "interactive")
"""Names that SLURM gives to jobs in which somebody sits at a terminal."""
JOB = "MEDVLP_JOB"
"""Set for a command that somebody looks after, see `service.jobs`: who stops it decides what becomes of the job."""


def job_id() -> str | None:
    """Of the batch job that this process belongs to; None outside of one, and in an interactive one."""
    if os.environ.get("SLURM_JOB_NAME") in INTERACTIVE:
        return None
    job = os.environ.get("SLURM_JOB_ID", "")
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID", "") for name in ("JOB", "TASK"))
    if array and task:
        job = f"{array}_{task}"
    return job if re.fullmatch(r"[0-9]+(_[0-9]+)?", job) else None


def restarted() -> bool:
    """Whether SLURM has started this job before."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")


def requeue(job: str) -> str:
    """Put the job into the queue again; says what became of it.

    A job that is not running any more was cancelled, or its time is over: that one is left alone, or nobody could
    cancel a run.
    """
    if os.environ.get(JOB):
        return ""
    try:
        shown = _scontrol("show", "job", job)
        state = re.search(r"JobState=(\w+)", shown.stdout)
        if state and state[1] != "RUNNING":
            return f"The job {job} is {state[1].lower()} and was not queued again."
        done = _scontrol("requeue", job)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The job {job} could not be queued again: {error}."
    if done.returncode:
        return f"The job {job} could not be queued again: {' '.join(done.stderr.split()) or 'scontrol failed'}."
    return f"The job {job} waits in the queue again."


def _scontrol(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=60, check=False)
