"""The steps Method, Target and Launch: the form, a trial, a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Testing.wiring.training.material import NAMES, choose, field, rest, shown, until, write_head
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

    steps = field(host, "steps")
    ui.nameEdit.text, steps.text = "Größe 1", "none"
    host.pending()
    assert not ui.launchButton.enabled and "steps cannot be 'none'" in ui.launchButton.toolTip
    assert "steps cannot be 'none'" in ui.settingsLabel.text
    steps.text = "1000000"
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
    assert field(host, "steps").placeholderText == "600" and ui.initComboBox.enabled
    choose(ui.methodComboBox, "t3d")
    host.pending()
    choose(ui.recipeComboBox, "paper")
    host.pending()
    assert field(host, "steps").placeholderText == "100000" and not ui.initComboBox.enabled
    assert field(host, "objectives").placeholderText == "clip, tma"
    assert "label_fraction" not in host.widget.panel.method.settings.widgets
    choose(ui.methodComboBox, "finetune")
    host.pending()
    assert ui.recipeComboBox.itemData(ui.recipeComboBox.currentIndex) == "small", "fine-tuning has no paper"
    spec = JobSpec(
        "finetune", "/data/m.jsonl", "Klon", recipe="base", options={"init": "/runs/x", "label-fraction": 0.25},
        overrides=("steps=7", "patch=[32, 32, 16]", "ema=0.5", "workers=2"),
    )  # fmt: skip
    host.widget.panel.onClone(spec)
    host.pending()
    fields = [field(host, name) for name in ("steps", "patch", "ema", "label_fraction")]
    texts = [widget.text for widget in (ui.nameEdit, *fields, ui.manifestEdit)]
    assert texts == ["Klon", "7", "32, 32, 16", "0.5", "0.25", "/data/m.jsonl"]
    assert ui.moreEdit.plainText == "workers=2"
    assert ui.initComboBox.itemData(ui.initComboBox.currentIndex) == "/runs/x"
    assert ui.recipeComboBox.itemData(ui.recipeComboBox.currentIndex) == "base"


def test_the_target_can_be_tested(host: Any, ui: Any) -> None:
    assert ui.targetComboBox.itemData(0) == "local"
    ui.testButton.click()
    host.pending()
    assert "GB of disk are free" in ui.targetLabel.text


def tabbed(start: Any, widgets: list[Any]) -> list[Any]:
    """Those of the widgets that the tab key comes to from `start` on, in that order, until it is back.

    Only at the end of a test: PySide takes what it hands out here for a child of the widget before it.
    """
    chain = [start.nextInFocusChain()]
    while chain[-1] != start:
        chain.append(chain[-1].nextInFocusChain())
    return [one for one in chain if one in widgets]


def test_a_field_for_each_setting_of_the_method(host: Any, ui: Any) -> None:
    from MedVLPTrainLib.Settings import settingsOf

    field(host, "steps").text = "70"
    for method in ("gtgm", "t3d", "mg3d", "finetune"):
        choose(ui.methodComboBox, method)
        host.pending()
        settings = settingsOf(method)
        assert list(host.widget.panel.method.settings.widgets) == [one.name for one in settings]
        assert field(host, "steps").text == "70", "it is kept"
        rows = [one for one in ui.settingsFrame.children() if one.className() == "QWidget"]
        assert [shown(one) for one in rows].count(True) == 1
        for one in settings:
            widget = field(host, one.name)
            assert widget.accessibleName == one.title and one.help in widget.toolTip
    box = field(host, "encoder")
    assert [box.itemText(n) for n in range(box.count)] == [
        "residual-unet (recipe)", "residual-unet", "swin-unetr", "resnet-50",
    ]  # fmt: skip
    choose(box, "resnet-50")
    field(host, "patch").text = "64, "
    host.pending()
    parameters = host.widget.panel.parameters
    assert parameters.settings == "steps=70\nencoder=resnet-50\npatch=64," and field(host, "patch").text == "64, "
    field(host, "steps").text = ""
    choose(box, "")
    host.pending()
    assert parameters.settings == "patch=64,"
    wanted = [*(field(host, one.name) for one in settings), ui.moreEdit]
    assert tabbed(ui.initComboBox, wanted) == wanted
