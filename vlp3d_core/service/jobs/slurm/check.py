"""Whether jobs can run with a profile: its commands, what SLURM says to its options, and a tiny job on a node."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlp3d_core import __version__
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.log import read_log
from vlp3d_core.service.jobs.slurm.meaning import ALIVE, WAITING, end_of, waits
from vlp3d_core.service.jobs.slurm.probe import FOUND
from vlp3d_core.service.jobs.slurm.profile import Profile
from vlp3d_core.service.jobs.slurm.queue import SlurmQueue
from vlp3d_core.service.jobs.slurm.script import SCRIPT, batch_script, options
from vlp3d_core.service.jobs.slurm.shell import Running, run
from vlp3d_core.service.jobs.spec import JobSpec, Resources

PROGRAMS = "sbatch srun squeue scancel scontrol"
MINUTES = "5"
"""Of the tiny job."""
SPEC = JobSpec("pretrain", "", resources=Resources(stop_seconds=1))
"""Asks for what a training asks for."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: "commands", "options", "folder", "node", "python".
        problem: None where it is right.
    """

    name: str
    text: str
    problem: MedVLPError | None = None

    def to_json(self) -> dict[str, Any]:
        problem = self.problem
        remedy = problem.remedy if problem else ""
        return {
            "name": self.name,
            "ok": problem is None,
            "text": problem.cause if problem else self.text,
            "remedy": remedy,
        }


def check(profile: Profile, root: Path, wait: float) -> list[Check]:
    """What was looked at, up to the first thing that is wrong.

    Args:
        root: the folder of jobs, where the profile names none.
        wait: seconds that the tiny job may wait in the queue and run.
    """
    done: list[Check] = []
    name = "commands"
    try:
        done.append(Check(name, _commands(profile)))
        name = "folder"
        place = Path(profile.folder or root)
        folder = _new_folder(place)
        try:
            done.append(Check(name, f"{place} can be written."))
            name = "options"
            words = _write(profile, folder)
            run(profile, "sbatch", "--test-only", *words)
            done.append(Check(name, "SLURM accepts the profile's options."))
            name = "node"
            done += _tiny_job(profile, folder, words, wait)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except MedVLPError as error:
        done.append(Check(name, "", error))
    return done


def _commands(profile: Profile) -> str:
    line = f"for program in {PROGRAMS}; do command -v $program >/dev/null || echo $program; done"
    missing = Running(profile, line).wait(30.0).split()
    if missing:
        raise MedVLPError(
            f"{', '.join(missing)} cannot be found on {profile.where}.",
            "Run on a computer that hands jobs to SLURM, or name its host in the profile.",
        )
    return f"SLURM's commands are there on {profile.where}."


def _new_folder(place: Path) -> Path:
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".test-", dir=place))
    except OSError as error:
        raise MedVLPError(
            f"Jobs cannot be kept in {place}: {error.strerror}.", 'Name a "folder" in the profile that can be written.'
        ) from error
    folder.chmod(0o755)
    return folder


def _write(profile: Profile, folder: Path) -> list[str]:
    """The options and the script of the tiny job."""
    (folder / SCRIPT).write_text(batch_script(profile, folder, "probe", [], 1.0), encoding="utf-8")
    return [*options(replace(profile, time=MINUTES), SPEC, folder), str(folder / SCRIPT)]


def _tiny_job(profile: Profile, folder: Path, words: list[str], wait: float) -> list[Check]:
    number = run(profile, "sbatch", "--parsable", *words).strip().partition(";")[0]
    queue, since, end = SlurmQueue(profile), time.monotonic(), time.monotonic() + wait
    try:
        while True:
            row = queue.look(number, since, 1.0)
            if row is not None and row.state not in WAITING | ALIVE:
                return _answers(profile, folder) or [Check("node", "", _silent(folder, row))]
            if time.monotonic() > end:
                why = waits(row) if row and row.state in WAITING else queue.trouble or "It runs."
                return [Check("node", f"The tiny job has not ended within {wait:.0f} s, and no more was tried. {why}")]
            time.sleep(0.2)
    finally:
        run(profile, "scancel", "--quiet", number)


def _silent(folder: Path, row: Any) -> MedVLPError:
    said = [line for line in read_log(folder).splitlines() if line.strip()]
    found = end_of(row, False, False, said[-1] if said else "", str(folder.parent))
    return found.error or MedVLPError(found.note or "The tiny job has said nothing.", "Look at the queue with squeue.")


def _answers(profile: Profile, folder: Path) -> list[Check]:
    """What the processes of the tiny job have found; none where they have said nothing."""
    names = sorted(folder.glob(FOUND.format(number="*")))
    said = [json.loads(path.read_text(encoding="utf-8")) for path in names]
    if not said:
        return []
    first = said[0]
    hosts = ", ".join(sorted({one["host"] for one in said}))
    node = Check("node", f"{len(said)} processes have answered from {hosts}.")
    if not all(one["locks"] for one in said):
        problem = MedVLPError(f"The file system of {folder.parent} keeps no locks.", 'Name another "folder".')
        return [Check("node", "", problem)]
    if missing := first["missing"]:
        cause = f"{profile.interpreter} has no {', '.join(missing)} on the nodes."
        return [node, Check("python", "", MedVLPError(cause, "Install vlp3d-core[train] there."))]
    if first["version"] != __version__:
        cause = f"The nodes have vlp3d-core {first['version']}, and this is {__version__}."
        return [node, Check("python", "", MedVLPError(cause, "Install the same version there."))]
    gpus = f"{first['gpus']} GPUs" if first["gpus"] else "no GPU"
    return [node, Check("python", f"It has vlp3d-core {__version__}, torch {first['torch']} and {gpus}.")]
