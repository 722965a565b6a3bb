"""A cluster as a target for jobs: handed to sbatch, looked at by squeue, stopped by scancel."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.service.jobs.folder import JobFolder
from vlp3d_core.service.jobs.log import Log, read_log
from vlp3d_core.service.jobs.slurm.meaning import ALIVE, WAITING, end_of, waits
from vlp3d_core.service.jobs.slurm.profile import Profile
from vlp3d_core.service.jobs.slurm.queue import Row, SlurmQueue
from vlp3d_core.service.jobs.slurm.script import SCRIPT, batch_script, options
from vlp3d_core.service.jobs.slurm.shell import Running, run
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, now, read_state, write_state

SUBMITTED = "Submitted to SLURM"
STOP_SECONDS = 20.0
"""That SLURM may take to hear of a request to stop; the job's folder says the same."""


class SlurmTarget:
    """The jobs of one profile."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.name = profile, f"slurm:{profile.name}"
        self.place = Path(profile.folder) if profile.folder else None
        self.queue = SlurmQueue(profile)
        self._seen: dict[str, tuple[object, float]] = {}

    def check(self, spec: JobSpec) -> None:
        """SLURM itself refuses what it cannot run, at once."""

    def submit(self, job: JobFolder, spec: JobSpec) -> None:
        state = read_state(job.path)
        folder, words = job.home, options(self.profile, spec, job.home)
        stop = spec.resources.stop_seconds
        with replacing(folder / SCRIPT) as temporary:
            temporary.write_text(batch_script(self.profile, folder, "node", [str(state.attempt)], stop), "utf-8")
        target = {"submission": state.attempt, "options": words}
        job.note(state, target=target)
        Log(job.path).add(f"[{now()}] {SUBMITTED}: sbatch {shlex.join(words)}")
        said = run(self.profile, "sbatch", "--parsable", *words, str(folder / SCRIPT))
        number = said.strip().partition(";")[0]
        if not number.isdecimal():
            raise MedVLPError(f"sbatch said {said.strip()[:100]!r} and no number.", "Look at the queue with squeue.")
        job.note(state, owner=None, target={**target, "job": number})

    def state(self, job: JobFolder, wait: float) -> State:
        """What the folder says; what only SLURM can know is added.

        Args:
            wait: seconds that a question to SLURM may take; 0 does with what is known.
        """
        state = read_state(job.path)
        if state.ended or state.owner is not None:  # the latter: it is being submitted
            return job.state()
        row = self.queue.look(str(state.target.get("job")), self._since(job, state), wait)
        if row is None or row.state in ALIVE:
            return self._alive(state, row)
        if row.state in WAITING and state.state == "queued":
            return replace(state, note=waits(row))
        with job.locked():
            if read_state(job.path).changes != state.changes:
                return read_state(job.path)
            write_state(job.path, after := self._after(job, state, row))
        return after

    def cancel(self, job: JobFolder) -> None:
        job.ask_to_stop()
        number = str(read_state(job.path).target.get("job"))
        # Where it waits it goes at once; where it runs its script is told, which also sees to it that it ends.
        end, tell = (
            shlex.join(["scancel", "--quiet", *how, number])
            for how in (["--state=PENDING"], ["--batch", "--signal=USR2"])
        )
        try:
            Running(self.profile, f"{end} && {{ {tell} 2>/dev/null || true; }}").wait(STOP_SECONDS)
        except MedVLPError:
            if read_state(job.path).state == "queued":  # one that runs is told by its folder
                raise
        self.queue.forget()

    def log(self, job: JobFolder) -> str:
        return read_log(job.path)

    def _since(self, job: JobFolder, state: State) -> float:
        """When the present state was met first: SLURM's word from before that says nothing about it."""
        seen = (state.changes, state.target.get("job"))
        if self._seen.get(job.id, (None, 0.0))[0] != seen:
            self._seen[job.id] = seen, time.monotonic()
        return self._seen[job.id][1]

    def _alive(self, state: State, row: Row | None) -> State:
        if row is None and (trouble := self.queue.trouble):
            return replace(state, note=f"{state.note} SLURM cannot be asked at present: {trouble}".strip())
        if row is not None and row.state in ("SUSPENDED", "STOPPED"):
            return replace(state, note="SLURM has suspended it.")
        if row is not None and state.state == "queued":
            return replace(state, note="Its node gets ready.")
        return state

    def _after(self, job: JobFolder, state: State, row: Row) -> State:
        """The state that SLURM's word means."""
        if row.state in WAITING:
            return state.to("queued", "Its node failed, or it was taken from it; SLURM will start it again.")
        said = ([line for line in read_log(job.path).splitlines() if line.strip()] or [""])[-1]
        states = [name for name, _time in state.changes]
        begun = state.state != "queued" or states[-2:-1] in (["running"], ["finishing"])
        found = end_of(row, begun, job.asked_to_stop, "" if SUBMITTED in said else said, str(job.home))
        return state.to(found.state, found.note, error=found.error)
