"""The learning of reports, from a manifest with reports to a folder that `vlp3d evaluate reports` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from vlp3d_core.model.reporter import PIECES, Reporter, SavedReporter, load_reporter, save_reporter
from vlp3d_core.train.loaders import Loaders
from vlp3d_core.train.pairs import PairDataset
from vlp3d_core.train.processes import leads
from vlp3d_core.train.report_config import ReportConfig
from vlp3d_core.train.report_data import join_reports, numbered, pieces_for, report_cases
from vlp3d_core.train.reporting import ReportLearning
from vlp3d_core.train.store import preprocess_images
from vlp3d_core.train.task import How, Run, Task, Told, run_task


class Reporting(Task[ReportConfig, SavedReporter]):
    """Learns to write reports; writes `out/reporter.*`."""

    metric, label = "val_likelihood", "likelihood"
    blind = ("The validation reports have no likelihood.", "Look at the loss in the run's log; start anew.")

    def __init__(self, run: Run[ReportConfig]) -> None:
        self.run, config = run, run.config
        self.train, self.validation = report_cases(config, run.manifest)
        reports = [case.report for case in self.train]
        self.pieces = pieces_for(config, reports, run.out, run.init, run.resume)
        names = ("length", "width", "layers", "heads", "dropout", "encoder", "encoder_options")
        self.architecture = {"vocabulary": len(self.pieces), **{name: getattr(config, name) for name in names}}
        self.module = ReportLearning(config, Reporter(**self.architecture))

    def loaders(self) -> Loaders:
        run, config = self.run, self.run.config
        if leads(config):
            self.pieces.write(run.out / PIECES)
        train, held_out = (
            (
                preprocess_images(cases, run.prepared, config, run.progress),
                numbered([case.report for case in cases], self.pieces, config.length),
            )
            for cases in (self.train, self.validation)
        )
        items = PairDataset(*train, config.patch, config.seed, config.shuffle)
        return Loaders(config, items, PairDataset(*held_out, config.patch, None), config.batch, join_reports)

    def save(self, score: float) -> None:
        cut = sum(len(self.pieces.numbers(case.report)) > self.run.config.length for case in self.train)
        data = {"training_reports": len(self.train), "cut": cut}
        save_reporter(self.run.out, self.module.model, self.card(self.architecture, data, score))

    def saved(self) -> SavedReporter:
        return load_reporter(self.run.out)

    @classmethod
    def tell(cls, run: Run[ReportConfig], result: SavedReporter) -> Told:
        score = result.card["validation_likelihood"]
        return Told(
            f"{run.out}: a model that writes reports, likelihood of a piece on validation {score:.2f}",
            ("evaluate", "reports", "--model", run.out, "--manifest", run.manifest),
        )


def learn_reports(
    config: ReportConfig, manifest: Path, out: Path, init: Path | None = None, **how: Unpack[How]
) -> SavedReporter:
    """Train and write `out/reporter.*`; the arguments, and what is raised, are those of `run_task`."""
    return run_task(Reporting, Run(config, manifest, out, init, **how))
