"""On a node: `python -m vlp3d_core.service.jobs.slurm.node FOLDER SUBMISSION`, once for each process of the job.

The first one looks after the job's folder as the supervisor does on a computer of one's own; the others are commands.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.attempt import Attempt
from vlp3d_core.service.jobs.command import CHECKPOINT, TRAINING, arguments
from vlp3d_core.service.jobs.folder import SUPERVISED, JobFolder
from vlp3d_core.service.jobs.log import Log
from vlp3d_core.service.jobs.outcome import Outcome
from vlp3d_core.service.jobs.slurm.script import AGAIN_PLEASE, OUT_OF_TIME
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, read_state, write_state
from vlp3d_core.service.locks import locked
from vlp3d_core.train.slurm import JOB

PATIENCE = 180.0
"""Seconds until a file server takes back the lock of a node that has failed."""
FIRST = 15.0
"""Seconds for the first process to notice that another one has failed."""
TAKEN = "SLURM has taken it from its node; it goes on when SLURM starts it again."
AGAIN = "Its time was over; it waits in the queue again and goes on from its checkpoint."
NO_TIME = MedVLPError(
    "The job's time was over before it had made anything that it could go on from.",
    'Raise "time" in the profile, and resume the job.',
)


class SlurmAttempt(Attempt):
    """An attempt that may go back into the queue."""

    def __init__(self, job: JobFolder, spec: JobSpec, state: State, log: Log) -> None:
        super().__init__(job, spec, state, log, {}, None)
        self._before = _checkpoint(job)

    @property
    def due(self) -> bool:
        return os.path.exists(self.job.path / OUT_OF_TIME)

    def cut_short(self, found: Outcome) -> Outcome:
        if not self.due:
            return Outcome("queued", TAKEN)  # SLURM alone knows whether that is so
        made = _checkpoint(self.job) not in (None, self._before)
        return Outcome("queued", AGAIN) if made else Outcome("failed", error=NO_TIME)


def look_after(job: JobFolder, submission: int) -> int:
    """Run the job until it ends or is taken from the node; gives the exit code of the step."""
    told = list[int]()
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (job.path / SUPERVISED).open("ab") as alone:
        end = time.monotonic() + PATIENCE
        while not locked(alone):
            if time.monotonic() > end or told:
                print(f"Another process looks after the job {job.id}.", file=sys.stderr)
                return 1
            time.sleep(0.2)
        (job.path / OUT_OF_TIME).unlink(missing_ok=True)
        state = take(job, submission)
        if state.state != "queued":
            return 1
        attempt = SlurmAttempt(job, spec_of(job), state, Log(job.path))
        state = attempt.run(lambda: bool(told))
        if state.note == AGAIN:
            (job.path / AGAIN_PLEASE).touch()
        return int(state.state != "done")


def follow(job: JobFolder, command: list[str]) -> int:
    """Another process of the job. SLURM ends all when one fails; before that the first shall say what went wrong."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)  # the command itself gets it, too
    code = subprocess.call(command, env={**os.environ, JOB: job.id})
    if code:
        time.sleep(FIRST)
    return code


def take(job: JobFolder, submission: int) -> State:
    """Make the job this process's own, if it is still wanted: queued then, and ended otherwise.

    Raises:
        MedVLPError: it was submitted anew meanwhile, or its files cannot be used.
    """
    with job.locked():
        state = read_state(job.path)
        if state.target.get("submission") != submission:
            raise MedVLPError(f"The job {job.id} was submitted anew.", "Nothing is to be done.")
        if state.ended:
            return state
        if state.state != "queued":  # its node failed
            state = state.to("queued")
        again = os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")
        target = {**state.target, "job": os.environ["SLURM_JOB_ID"]}
        state = replace(state, owner=None, command=None, target=target, attempt=state.attempt + again)
        if job.asked_to_stop:
            state = state.to("cancelled", "It had not begun.")
        write_state(job.path, state)
    return state


def spec_of(job: JobFolder) -> JobSpec:
    """The job's spec, with as many processes as SLURM has started."""
    spec = job.spec()
    nodes, tasks = (int(os.environ.get(f"SLURM_STEP_NUM_{name}", "1")) for name in ("NODES", "TASKS"))
    if tasks == 1 or spec.kind not in TRAINING:
        return spec
    return replace(spec, overrides=(*spec.overrides, f"devices={tasks // nodes}", f"nodes={nodes}"))


def _checkpoint(job: JobFolder) -> tuple[int, int] | None:
    try:
        facts = os.stat(job.path / CHECKPOINT)
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def main() -> int:
    job, submission = JobFolder(Path(sys.argv[1])), int(sys.argv[2])
    try:
        if os.environ.get("SLURM_PROCID", "0") == "0":
            return look_after(job, submission)
        spec = spec_of(job)
        words = arguments(spec, job.path, job.resumable(spec))
    except MedVLPError as error:
        print(error, file=sys.stderr)
        return 1
    return follow(job, [sys.executable, "-m", "vlp3d_core.cli.main", *words])


if __name__ == "__main__":
    sys.exit(main())
