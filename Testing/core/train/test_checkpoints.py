"""Checkpoints on a full disk and of a network that has diverged: the previous one stays, and one sentence says why."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.checkpoints import LAST, WholeCheckpoints
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.engine import finetune

resource = pytest.importorskip("resource", reason="Windows has no limits of this kind")
Settings = Callable[..., FinetuneConfig]


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Writing more than this into a file fails, as on a full disk; Python ignores the signal that comes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_leaves_the_previous_checkpoint_whole(manifest: Path, settings: Settings, tmp_path: Path) -> None:
    before: list[bytes] = []
    limit = no_file_above(0)

    def progress(stage: str, fraction: float) -> None:
        nonlocal limit
        if stage.startswith("training") and fraction == 4 / 8:
            before.append((tmp_path / LAST).read_bytes())
            limit = no_file_above(len(before[0]) // 2)
            limit.__enter__()

    try:
        with pytest.raises(MedVLPError) as failure:
            finetune(settings(), manifest, tmp_path, progress=progress)
    finally:
        limit.__exit__(None, None, None)
    sentence = str(failure.value)
    assert re.fullmatch(r"The checkpoint after step 4 could not be written: .*(large|space)\. .*", sentence), sentence
    assert f"{tmp_path / LAST} is whole" in sentence and "--resume" in sentence and "\n" not in sentence
    assert (tmp_path / LAST).read_bytes() == before[0]
    assert sorted(f.name for f in (tmp_path / LAST).parent.iterdir()) == ["last.ckpt"], "nothing half written stays"
    finetune(settings(), manifest, tmp_path, resume=True)
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 8


def test_the_first_checkpoint_on_a_full_disk(tmp_path: Path) -> None:
    state = {"global_step": 3, "state_dict": {"w": torch.zeros(1_000_000)}}
    with no_file_above(1000), pytest.raises(MedVLPError, match=r"after step 3 could not .* Start the run again"):
        WholeCheckpoints().save_checkpoint(state, tmp_path / LAST)
    assert list((tmp_path / LAST).parent.iterdir()) == []


@pytest.mark.parametrize("where", ["state_dict", "current_model_state"])
def test_weights_that_are_no_numbers_never_replace_a_good_checkpoint(tmp_path: Path, where: str) -> None:
    good: dict[str, Any] = {"global_step": 1, "state_dict": {"w": torch.zeros(3), "n": torch.tensor(1)}}
    writer = WholeCheckpoints()
    with pytest.raises(MedVLPError, match=r"w is not finite after step 1.* There is no checkpoint yet"):
        writer.save_checkpoint({**good, where: {"w": torch.tensor([0.0, torch.nan])}}, tmp_path / LAST)
    writer.save_checkpoint(good, tmp_path / LAST)
    kept = (tmp_path / LAST).read_bytes()
    bad = {**good, "global_step": 2, where: {"w": torch.tensor([torch.inf])}}
    with pytest.raises(MedVLPError, match="w is not finite after step 2") as failure:
        writer.save_checkpoint(bad, tmp_path / LAST)
    assert f"The last good checkpoint is {tmp_path / LAST}." in str(failure.value)
    assert (tmp_path / LAST).read_bytes() == kept


def test_a_loss_that_is_no_number_names_step_subjects_and_checkpoint(
    manifest: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume with a value that is none, as a damaged file may bring it past the reader."""
    from vlp3d_core.train import data

    cut = data.cut

    def spoilt(array: Any, *rest: Any) -> Any:
        out = cut(array, *rest)
        return out * float("nan") if (tmp_path / LAST).exists() and out.dtype.kind == "f" else out

    monkeypatch.setattr(data, "cut", spoilt)
    with pytest.raises(MedVLPError) as failure:
        finetune(settings(), manifest, tmp_path)
    sentence = str(failure.value)
    assert re.match(r"Training diverged: the loss of step 2 is nan \(subjects head-\d, head-\d\)\.", sentence), sentence
    assert f"The last good checkpoint is {tmp_path / LAST}." in sentence and "learning_rate" in sentence
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 2
