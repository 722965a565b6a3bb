"""The step Target with a real SLURM: a profile is offered, tested and used, while the panel stays alive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from Testing.core.service.jobs.slurm.cluster import Cluster
from Testing.core.service.jobs.slurm.conftest import MakeProfile, cluster, profile, running_cluster  # noqa: F401
from Testing.wiring.training.material import choose, rest, write_head
from vlp3d_core.train.manifest import write_manifest


def test_a_profile_is_offered_tested_and_used(
    cluster: Cluster,  # noqa: F811
    profile: MakeProfile,  # noqa: F811
    host: Any,
    ui: Any,
    tmp_path: Path,
) -> None:
    name = profile()
    host.widget.enter()
    choose(ui.targetComboBox, name)
    assert ui.targetComboBox.itemText(ui.targetComboBox.currentIndex) == "SLURM: Rechner groß"
    host.pending()
    ui.testButton.click()
    assert host.widget.panel.work.busy, "it does not wait for the cluster"
    host.pending()
    assert not ui.testButton.enabled
    rest(host)
    assert "1 processes have answered" in ui.targetLabel.text and "Jobs can run there." in ui.targetLabel.text

    profile(partition="closed")
    write_manifest([write_head(tmp_path, "anna"), write_head(tmp_path, "berta")], tmp_path / "m.jsonl")
    ui.manifestEdit.text = str(tmp_path / "m.jsonl")
    host.pending()
    ui.checkButton.click()
    rest(host)
    ui.launchButton.click()
    assert host.widget.panel.work.busy
    rest(host)
    assert "is submitted" in ui.messageLabel.text, ui.messageLabel.text
    jobs = host.widget.logic.jobs
    (view,) = jobs.list()
    assert (view.target, view.state) == (name, "queued") and "the partition is closed" in view.note
    jobs.cancel(view.id)

    profile(partition="gibt es nicht")
    ui.testButton.click()
    rest(host)
    assert "nvalid partition" in ui.targetLabel.text and "Jobs cannot run there yet." in ui.targetLabel.text
    ui.launchButton.click()
    rest(host)
    assert "nvalid partition" in ui.messageLabel.text and len(jobs.list()) == 1
    Path(os.environ["MEDVLP_SLURM"], "Rechner groß.json").unlink()
    ui.testButton.click()
    rest(host)
    assert "no SLURM profile" in ui.messageLabel.text
