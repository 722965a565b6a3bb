"""The steps Method, Target and Launch: the form, a trial, a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Testing.wiring.training.material import NAMES, choose, rest, shown, until, write_head
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.train.manifest import write_manifest


def test_from_a_folder_to_a_job(host: Any, ui: Any, tmp_path: Path) -> None:
    scans = tmp_path / "Meine Köpfe"
    scans.mkdir()
    for name in ("anna", "berta", "clara"):
        write_head(scans, name)
    (scans / "labels.json").write_text(str({str(n): c for n, c in enumerate(NAMES, 1)}).replace("'", '"'))
    ui.folderEdit.text, ui.outputEdit.text = str(scans), str(tmp_path / "Daten ä")
    host.pending()
    assert ui.makeButton.enabled, ui.makeButton.toolTip
    ui.makeButton.click()
    assert host.widget.panel.work.busy and shown(ui.workFrame)
    host.pending()
    assert not ui.makeButton.enabled and "Wait until" in ui.makeButton.toolTip
    rest(host)
    assert ui.manifestEdit.text == str(tmp_path / "Daten ä" / "manifest.jsonl")
    assert "3 volumes, 3 with labels" in ui.findingsLabel.text, ui.messageLabel.text
    rows = [ui.countsTree.topLevelItem(n) for n in range(ui.countsTree.topLevelItemCount)]
    assert {("Modality", "CT", "3"), ("Structure", "Mandible", "3")} <= {
        tuple(r.text(c) for c in range(3)) for r in rows
    }
    assert ("Spacing (mm)", "4 x 4 x 4", "3") in {tuple(r.text(c) for c in range(3)) for r in rows}
    assert ui.launchButton.enabled, ui.launchButton.toolTip

    ui.nameEdit.text, ui.stepsEdit.text = "Größe 1", "none"
    host.pending()
    assert not ui.launchButton.enabled and "steps cannot be 'none'" in ui.launchButton.toolTip
    assert "steps cannot be 'none'" in ui.settingsLabel.text
    ui.stepsEdit.text = "1000000"
    ui.moreEdit.setPlainText("workers=0")
    host.pending()
    assert ui.launchButton.enabled and not shown(ui.settingsLabel)
    ui.launchButton.click()
    jobs = host.widget.logic.jobs
    (view,) = jobs.list()
    try:
        assert view.id in ui.messageLabel.text and (view.name, view.kind) == ("Größe 1", "finetune")
        spec = jobs.find(view.id).spec()
        assert {"steps=1000000", "workers=0", "name=gr-e-1"} <= set(spec.overrides)
    finally:
        jobs.cancel(view.id)
        until(host, lambda: jobs.show(view.id).state not in ("queued", "running", "finishing"))
    assert host.messages == []


def test_a_trial_is_started_and_cancelled(host: Any, ui: Any, tmp_path: Path) -> None:
    write_manifest([write_head(tmp_path, "anna"), write_head(tmp_path, "berta")], tmp_path / "m.jsonl")
    ui.manifestEdit.text = str(tmp_path / "m.jsonl")
    host.pending()
    ui.checkButton.click()
    rest(host)
    assert ui.trialButton.enabled, ui.trialButton.toolTip
    ui.trialButton.click()
    host.pending()
    assert host.widget.panel.work.busy and not ui.trialButton.enabled
    ui.cancelButton.click()
    host.pending()
    assert not host.widget.panel.work.busy and ui.trialButton.enabled


def test_the_form_follows_method_recipe_and_clone(host: Any, ui: Any) -> None:
    assert ui.stepsEdit.placeholderText == "600" and ui.initComboBox.enabled
    choose(ui.methodComboBox, "t3d")
    host.pending()
    choose(ui.recipeComboBox, "paper")
    host.pending()
    assert ui.stepsEdit.placeholderText == "100000" and not ui.initComboBox.enabled and not ui.fractionEdit.enabled
    choose(ui.methodComboBox, "finetune")
    host.pending()
    assert ui.recipeComboBox.itemData(ui.recipeComboBox.currentIndex) == "small", "fine-tuning has no paper"
    spec = JobSpec(
        "finetune", "/data/m.jsonl", "Klon", recipe="base", overrides=("steps=7", "patch=[32, 32, 16]", "ema=0.5"),
        options={"init": "/runs/x", "label-fraction": 0.25},
    )  # fmt: skip
    host.widget.panel.onClone(spec)
    host.pending()
    texts = [w.text for w in (ui.nameEdit, ui.stepsEdit, ui.patchEdit, ui.fractionEdit, ui.manifestEdit)]
    assert texts == ["Klon", "7", "32, 32, 16", "0.25", "/data/m.jsonl"]
    assert ui.moreEdit.plainText == "ema=0.5"
    assert ui.initComboBox.itemData(ui.initComboBox.currentIndex) == "/runs/x"
    assert ui.recipeComboBox.itemData(ui.recipeComboBox.currentIndex) == "base"


def test_the_target_can_be_tested(host: Any, ui: Any) -> None:
    assert ui.targetComboBox.itemData(0) == "local"
    ui.testButton.click()
    host.pending()
    assert "GB of disk are free" in ui.targetLabel.text
