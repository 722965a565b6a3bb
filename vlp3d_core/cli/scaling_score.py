"""How a cell of `vlp3d scaling` is scored: as `vlp3d evaluate` scores a run, and as one error that a law is fitted to.

Of a segmentation that is 1 - Dice. Of pretraining it is the cross-entropy of finding the right pair among all pairs of
the split: laws were found for held-out cross-entropies (Hestness et al. 2017, Kaplan et al. 2020), while 1 - recall@k
only counts whether a rank passes k, depends on how many pairs there are, and is 0 or 1 at its ends. Recall@10 is
measured beside it.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.evaluate import score_segmentations
from vlp3d_core.cli.pairs import pairs_of
from vlp3d_core.cli.retrieval import pairs_to_search, search_vectors
from vlp3d_core.cli.runs import refuse_trained_on
from vlp3d_core.errors import MedVLPError
from vlp3d_core.progress import Progress
from vlp3d_core.train.pretrain_config import PretrainConfig

if TYPE_CHECKING:
    from vlp3d_core.train.scaling import Cell, Config, Grid


def error_of(config: Config) -> str:
    """What the error is called."""
    return "retrieval loss" if isinstance(config, PretrainConfig) else "1 − Dice"


def check_split(grid: Grid) -> None:
    """See before the hours of work that there is something to score on, which the start has not seen.

    Raises:
        MedVLPError: there is not.
    """
    from vlp3d_core.evaluate import cases_of
    from vlp3d_core.train.manifest import read_manifest

    if isinstance(grid.config, PretrainConfig):
        pairs_to_search(grid.manifest, grid.split)
        return
    cases, _ = cases_of(read_manifest(grid.manifest, (grid.split,)))
    if grid.init is not None:
        refuse_trained_on(grid.init, [case.subject for case in cases], grid.split)


def score_cell(grid: Grid, cell: Cell, progress: Progress) -> dict[str, Any]:
    """`error`, `metrics` by name, and the network's number of `parameters`."""
    of = _score_pretraining if isinstance(cell.config, PretrainConfig) else _score_segmentation
    return of(grid, cell, progress)


def _score_segmentation(grid: Grid, cell: Cell, progress: Progress) -> dict[str, Any]:
    from vlp3d_core.evaluate import TOLERANCE_MM
    from vlp3d_core.model.bundle import load_network, read_bundle
    from vlp3d_core.model.encoders import parameters_in

    bundle = cell.folder / "bundle"
    asked = Namespace(manifest=grid.manifest, split=grid.split, predictions=None, model=str(bundle), device="auto")
    dice = score_segmentations(pairs_of(asked), TOLERANCE_MM, progress).mean.metrics["dice"].mean
    if dice is None:
        raise MedVLPError(f"No structure of {grid.manifest} could be scored.", "Check its labels and splits.")
    parameters = parameters_in(load_network(read_bundle(bundle))[0])
    return {"error": 1.0 - dice, "metrics": {"Dice": dice}, "parameters": parameters}


def _score_pretraining(grid: Grid, cell: Cell, progress: Progress) -> dict[str, Any]:
    from vlp3d_core.evaluate.retrieval import rank, retrieval_loss, same_text
    from vlp3d_core.model.encoders import parameters_in
    from vlp3d_core.model.pretrained import load_pretrained

    assert isinstance(cell.config, PretrainConfig)
    cases = pairs_to_search(grid.manifest, grid.split)
    progress("scoring", 0.0)
    images, texts = search_vectors(cell.folder, cases, grid.split, as_json=True)
    progress("scoring", 1.0)
    reports, subjects = [case.report for case in cases], [case.subject for case in cases]
    right = same_text(reports)
    recall = [rank(*pair, right, subjects).recall[10] for pair in ((texts, images), (images, texts))]
    return {
        "error": retrieval_loss(images, texts, reports, cell.config.temperature),
        "metrics": {"Recall@10": sum(recall) / 2},
        "parameters": parameters_in(load_pretrained(cell.folder).model),
    }
