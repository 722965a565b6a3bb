"""A job's folder: spec, state, log, result, run. It is all that there is of a job, and enough to resume it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import replacing
from vlp3d_core.service.jobs.command import CHECKPOINT, RUN, TRAINING
from vlp3d_core.service.jobs.spec import JobSpec, read_spec
from vlp3d_core.service.jobs.state import State, now, read_state, write_state
from vlp3d_core.service.locks import holding, locked

SPEC, RESULT, CANCEL, RECIPE = "spec.json", "result.json", "cancel", "recipe.yaml"
LOCK, SUPERVISED, RESERVE = ".lock", ".supervisor.lock", ".reserve"
RESERVED = 16_384
"""Bytes that are given back on a full disk, so that there is room to write down how the job ended."""
ID = re.compile(r"[0-9]{6,12}-[a-z2-7]{4}")
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
LOST = MedVLPError(
    "The job was ended from outside: the computer was restarted, or its processes were killed.",
    "Resume it: it goes on from its last checkpoint.",
)


@dataclass(frozen=True)
class JobFolder:
    """One job on disk.

    Attributes:
        path: the folder; its name is the job's id.
    """

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def home(self) -> Path:
        """The folder itself where `path` is a link to it."""
        return Path(os.readlink(self.path)) if self.path.is_symlink() else self.path

    @property
    def run(self) -> Path:
        """What the command fills."""
        return self.path / RUN

    def spec(self) -> JobSpec:
        """Raises what `read_spec` raises."""
        return read_spec(self.path / SPEC)

    def state(self) -> State:
        """The state; a job that nobody looks after any more becomes lost here.

        Raises:
            MedVLPError: it cannot be read.
        """
        state = read_state(self.path)
        if state.ended or state.owner is None or not state.owner.gone:
            return state
        # It is gone, so it changes nothing any more; but it may have done so since the state was read.
        with self.locked():
            state = read_state(self.path)
            if not state.ended and state.owner is not None and state.owner.gone:
                # What is left of its command is kept, for whoever resumes the job.
                state = state.to("lost", error=LOST, command=state.command)
                write_state(self.path, state)
        return state

    def change(self, to: str, note: str = "", known: State | None = None, **more: Any) -> State:
        """Go over to another state, whoever else reads or writes.

        Args:
            known: taken for the present state where the file cannot be read, by its owner who knows better.

        Raises:
            MedVLPError: the change is impossible, or cannot be written.
        """
        with self.locked():
            after = self._read(known).to(to, note, **more)
            write_state(self.path, after)
        return after

    def note(self, known: State, **more: Any) -> State:
        """Change what is known about a state, and not the state."""
        with self.locked():
            after = replace(self._read(known), **more)
            write_state(self.path, after)
        return after

    def locked(self) -> Any:
        return holding(self.path / LOCK)

    def resumable(self, spec: JobSpec) -> bool:
        """Whether there is a checkpoint to go on from."""
        return spec.kind in TRAINING and (self.path / CHECKPOINT).is_file()

    def ask_to_stop(self) -> None:
        """Whoever runs the job sees this file, on whatever computer that is."""
        with replacing(self.path / CANCEL) as temporary:
            temporary.write_text(f"{now()}\n", encoding="ascii")

    @property
    def asked_to_stop(self) -> bool:
        return os.path.exists(self.path / CANCEL)

    @property
    def supervised(self) -> bool:
        """Whether a supervisor of this job lives on this computer, whatever its files say."""
        try:
            with (self.path / SUPERVISED).open("ab") as file:
                return not locked(file)
        except OSError:
            return False

    def make_room(self) -> None:
        """Give back what was kept for a full disk."""
        with suppress(OSError):
            (self.path / RESERVE).unlink()

    def remove(self) -> None:
        """Delete everything. Its name goes first, so that nobody meets half a job.

        Raises:
            MedVLPError: it cannot be removed.
        """
        try:
            home = self.home
            away = Path(tempfile.mkdtemp(prefix=".removed-", dir=home.parent))
            home.rename(away / self.id)
            if home != self.path:
                self.path.unlink()
            shutil.rmtree(away)
        except OSError as error:
            raise MedVLPError(
                f"{self.path} cannot be removed: {error.strerror}.", "Close the programs that use its files."
            ) from error

    def _read(self, known: State | None) -> State:
        try:
            return read_state(self.path)
        except MedVLPError:
            if known is None:
                raise
            return known


def create(root: Path, spec: JobSpec, state: State, place: Path | None = None) -> JobFolder:
    """A new job; its folder appears whole. A recipe file is copied: a job that is resumed has the settings it had.

    Args:
        place: where the folder lies if not in `root`, which has a link to it then.

    Raises:
        MedVLPError: the folder of jobs, or the recipe, cannot be used.
    """
    place = place or root
    try:
        root.mkdir(parents=True, exist_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=place))
        new.chmod(0o755)
        try:
            if spec.recipe and os.path.isfile(spec.recipe):
                shutil.copyfile(spec.recipe, new / RECIPE)
                spec = replace(spec, recipe=RECIPE)  # found from the spec's folder
            (new / SPEC).write_text(json.dumps(spec.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
            (new / RUN).mkdir()
            (new / RESERVE).write_bytes(bytes(RESERVED))
            write_state(new, state)
            while True:
                folder = root / _next_id(root)
                if os.path.lexists(folder) or os.path.lexists(place / folder.name):
                    continue
                new = new.rename(place / folder.name)
                if place != root:
                    folder.symlink_to(new, target_is_directory=True)
                return JobFolder(folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
    except OSError as error:
        raise MedVLPError(
            f"No job can be made in {place}: {error.strerror}.",
            "Name another folder in MEDVLP_JOBS, or free some space.",
        ) from error


def job_folders(root: Path) -> Iterator[JobFolder]:
    """All jobs, in the order of submission."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return
    except OSError as error:
        raise MedVLPError(f"The jobs in {root} cannot be listed: {error.strerror}.", "Check MEDVLP_JOBS.") from error
    yield from (JobFolder(root / name) for name in names if ID.fullmatch(name))


def find(root: Path, wanted: str) -> JobFolder:
    """The job whose id begins with `wanted`, or whose number it is.

    Raises:
        UsageError: there is none, or more than one.
    """
    there = list(job_folders(root))
    found = [job for job in there if wanted and job.id.startswith(wanted)]
    if wanted.isascii() and wanted.isdecimal():
        found = [job for job in there if int(job.id.partition("-")[0]) == int(wanted)] or found
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"There is no job {wanted!r}.", "`vlp3d jobs list` shows them.")
    names = ", ".join(job.id for job in found[:5]) + (" …" if len(found) > 5 else "")
    raise UsageError(f"{wanted!r} means {len(found)} jobs: {names}.", "Write more of the id.")


def _next_id(root: Path) -> str:
    """Counts on from the latest job: a clock may jump. The letters tell apart what two programs make at once."""
    last = max((int(job.id.partition("-")[0]) for job in job_folders(root)), default=0)
    return f"{last + 1:06d}-{''.join(secrets.choice(LETTERS) for _ in range(4))}"
