"""What the panel does beyond its widgets: jobs, targets, and what a form means. No Qt."""

from __future__ import annotations

import shutil
from dataclasses import replace

from MedVLPLib import Dependencies
from MedVLPLib.Texts import _
from MedVLPTrainLib.SpecForm import FINETUNE, Form, specOf
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.book import Jobs, check
from vlp3d_core.service.jobs.settings import settings_of
from vlp3d_core.service.jobs.slurm.profile import profile_names
from vlp3d_core.service.jobs.spec import JobSpec


class TrainLogic:
    """For scripts and the panel.

    Args:
        jobs: the book of jobs; None is the user's, with Slicer's Python for the jobs' processes.
        python: the interpreter of jobs and commands.
    """

    def __init__(self, jobs: Jobs | None = None, python: str | None = None) -> None:
        self.python = python or Dependencies.pythonExecutable()
        self._jobs = jobs

    @property
    def jobs(self) -> Jobs:
        """Made when it is first needed: where the user's folder is says a package that may not be installed yet."""
        if self._jobs is None:
            self._jobs = Jobs(python=self.python)
        return self._jobs

    def spec(self, form: Form) -> JobSpec:
        """The job that a form means, checked as far as is possible without opening its data.

        Raises:
            MedVLPError: it cannot start like this.
        """
        spec = specOf(form)
        if not spec.manifest:
            raise MedVLPError(_("There is no data yet."), _("Make or choose a manifest in the step Data."))
        check(spec)
        return spec

    def submit(self, form: Form) -> str:
        """Start a job; returns its id at once. Raises what `spec` and the target raise."""
        return self.jobs.submit(self.spec(form))

    def modality(self, form: Form) -> str:
        """What the job is for; "" where it takes the one modality that there is, or that cannot be known here."""
        said = [word for word in specOf(form).overrides if word.startswith("modality=")]
        if said or form.method == FINETUNE:
            return said[0].partition("=")[2].strip() if said else ""
        try:
            return str(settings_of(specOf(form)).modality)
        except ImportError:
            return ""

    def starts(self) -> list[tuple[str, str]]:
        """(title, folder) of what a fine-tuning can start from: trainings that are done, and models."""
        found = []
        try:
            for view in self.jobs.list(wait=0):
                if view.state == "done" and view.kind in ("pretrain", "finetune"):
                    found.append((_("Job {name}").format(name=view.name or view.id), str(view.folder / "run")))
            from vlp3d_core.service.catalogue import catalogue

            rows = [row for row in catalogue() if not row["problem"]]
        except (ImportError, MedVLPError):
            return found
        return found + [(_("Model {name}").format(name=row["title"]), row["folder"]) for row in rows]

    def targets(self) -> list[tuple[str, str]]:
        """(title, name) of where a job can run."""
        here = [(_("This computer"), "local")]
        try:
            names = profile_names()
        except ImportError:  # where the user's folder is says a package that may not be installed yet
            return here
        return here + [(_("SLURM: {name}").format(name=name), f"slurm:{name}") for name in names]

    def aboutThisComputer(self) -> str:
        """What a job would find here, in words.

        Raises:
            MedVLPError: jobs cannot be kept here.
        """
        import psutil

        from vlp3d_core.service.jobs.devices import gpu_numbers

        root = self.jobs.root
        try:
            root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(root).free
        except OSError as error:
            raise MedVLPError(
                _("Jobs cannot be kept in {folder}: {reason}.").format(folder=root, reason=error.strerror),
                _("Name another folder in the environment variable MEDVLP_JOBS."),
            ) from error
        gpus = gpu_numbers()
        device = _("{count} NVIDIA GPUs").format(count=len(gpus)) if gpus else _("No NVIDIA GPU: jobs run on the CPU")
        return _("{device}. {memory:.1f} GB of memory and {disk:.0f} GB of disk are free.").format(
            device=device, memory=psutil.virtual_memory().available / 1e9, disk=free / 1e9
        )

    def trialSpec(self, form: Form) -> JobSpec:
        """The job as it is tried, here; raises what `spec` raises."""
        return self.spec(replace(form, target="local"))
