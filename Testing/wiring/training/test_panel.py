"""The panel as a whole: disabled buttons, scenes that come and go, missing packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from Testing.wiring.training.material import choose, field, shown, write_head
from vlp3d_core.train.manifest import write_manifest

ACTIONS = ("makeButton", "checkButton", "captionButton", "trialButton", "launchButton")


def test_every_button_says_why_it_is_disabled(host: Any, ui: Any) -> None:
    for name in ACTIONS:
        button = getattr(ui, name)
        assert not button.enabled and button.toolTip.rstrip().endswith("."), name
    assert "folder of scans" in ui.makeButton.toolTip and "no data yet" in ui.launchButton.toolTip
    assert not shown(ui.sceneFrame) and shown(ui.folderFrame) and not shown(ui.workFrame)
    choose(ui.sourceComboBox, "scene")
    host.pending()
    assert shown(ui.sceneFrame) and not shown(ui.folderFrame)
    assert "Load volumes" in ui.makeButton.toolTip
    choose(ui.sourceComboBox, "manifest")
    host.pending()
    assert not shown(ui.makeButton) and not shown(ui.outputEdit)


def test_the_choices_are_saved_with_the_scene(host: Any, ui: Any, tmp_path: Path) -> None:
    ui.nameEdit.text, field(host, "batch").text = "Mein Modell", "3"
    ui.moreEdit.setPlainText("workers=1\nema=0.9")
    choose(ui.sourceComboBox, "scene")
    host.pending()
    host.scene.SetURL(str(tmp_path / "scene.mrml"))
    assert host.scene.Commit()
    host.scene.Clear(0)
    host.pending()
    assert ui.nameEdit.text == "" and ui.moreEdit.plainText == ""
    assert host.scene.Import()
    host.pending()
    texts = ui.nameEdit.text, field(host, "batch").text, ui.moreEdit.plainText
    assert texts == ("Mein Modell", "3", "workers=1\nema=0.9")
    assert ui.sourceComboBox.itemData(ui.sourceComboBox.currentIndex) == "scene"


def test_reloading_and_closing_the_scene_during_work(host: Any, ui: Any, tmp_path: Path) -> None:
    write_manifest([write_head(tmp_path, "anna")], tmp_path / "m.jsonl")
    ui.manifestEdit.text = str(tmp_path / "m.jsonl")
    host.pending()
    ui.checkButton.click()
    host.scene.Clear(0)
    assert not host.widget.panel.work.busy
    host.pending()
    assert ui.manifestEdit.text == "" and ui.findingsLabel.text == ""
    host.widget.onReload()
    host.pending()
    assert not host.widget.ui.launchButton.enabled


def test_missing_packages_are_named(host: Any, ui: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from MedVLPLib import Dependencies

    monkeypatch.setattr(Dependencies, "TORCH", "torch>=999")
    host.leave()
    host.enter()
    host.pending()
    assert shown(ui.dependencyFrame) and "PyTorch" in ui.dependencyLabel.text
    assert ui.launchButton.toolTip.startswith("Install what is missing first")


def test_the_modules_self_test_passes_here_too(host: Any) -> None:
    sys.modules["MedVLPTrain"].MedVLPTrainTest().runTest()  # type: ignore[attr-defined]
    assert host.messages == []
