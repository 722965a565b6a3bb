"""The step Data: from a folder, a scene or a manifest to data that were looked through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Testing.wiring.training.material import NAMES, add_head, choose, rest, shown, write_head
from vlp3d_core.train.captioning.maker import corrected
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest


def test_from_the_scene_to_a_manifest(host: Any, ui: Any, tmp_path: Path) -> None:
    add_head(host, "Köpfchen")
    second, _segmentation = add_head(host, "B")
    choose(ui.sourceComboBox, "scene")
    host.pending()
    tree = ui.sceneTree
    assert [tree.topLevelItem(n).text(0) for n in range(tree.topLevelItemCount)] == ["Köpfchen", "B"]
    assert "Trachea" in tree.topLevelItem(0).text(2)
    assert "folder that the data go into" in ui.makeButton.toolTip
    import qt

    tree.topLevelItem(1).setCheckState(0, qt.Qt.Unchecked)
    ui.outputEdit.text = str(tmp_path / "aus der Szene")
    host.pending()
    ui.makeButton.click()
    rest(host)
    (case,) = read_manifest(ui.manifestEdit.text)
    assert case.image.name == "Köpfchen.nii" and set(case.labels.values()) == set(NAMES) and case.modality == "CT"
    assert "only one patient" in ui.findingsLabel.text
    host.scene.RemoveNode(second)
    host.pending()
    assert tree.topLevelItemCount == 1
    assert host.messages == []


def test_labels_without_names(host: Any, ui: Any, tmp_path: Path) -> None:
    add_head(host, "A", rename="Segment of Dr X")
    choose(ui.sourceComboBox, "scene")
    ui.outputEdit.text = str(tmp_path / "out")
    host.pending()
    assert "not known" in ui.sceneTree.topLevelItem(0).text(2)
    ui.makeButton.click()
    rest(host)
    assert "Rename the segments" in ui.messageLabel.text
    assert [level for level, _text in host.messages] == ["error"]
    assert ui.manifestEdit.text == ""


def test_an_empty_folder_and_a_broken_manifest(host: Any, ui: Any, tmp_path: Path) -> None:
    (tmp_path / "leer").mkdir()
    ui.folderEdit.text, ui.outputEdit.text = str(tmp_path / "leer"), str(tmp_path / "out")
    host.pending()
    ui.makeButton.click()
    rest(host)
    assert "leer" in ui.messageLabel.text and len(host.messages) == 1
    (tmp_path / "m.jsonl").write_text("nonsense\n")
    ui.manifestEdit.text = str(tmp_path / "m.jsonl")
    host.pending()
    assert "Check the data first" in ui.launchButton.toolTip
    ui.checkButton.click()
    rest(host)
    assert "Line 1" in ui.messageLabel.text and not ui.launchButton.enabled


def test_mixed_modalities_captions_and_corrections(host: Any, ui: Any, tmp_path: Path) -> None:
    first, second = write_head(tmp_path, "anna"), write_head(tmp_path, "berta")
    write_manifest([first, Case(second.image, "berta", "validation", modality="MR")], tmp_path / "m.jsonl")
    choose(ui.sourceComboBox, "manifest")
    ui.manifestEdit.text = str(tmp_path / "m.jsonl")
    choose(ui.methodComboBox, "gtgm")
    host.pending()
    assert not shown(ui.captionTree)
    ui.captionButton.click()
    rest(host)
    assert ui.manifestEdit.text == str(tmp_path / "m-captioned.jsonl"), ui.messageLabel.text
    assert "1 CT, 1 MR" in ui.findingsLabel.text and "1 with a text" in ui.findingsLabel.text
    assert "make captions" in ui.launchButton.toolTip
    assert shown(ui.captionTree) and ui.captionTree.topLevelItem(0).text(1) != ""
    assert not ui.saveCaptionButton.enabled and ui.saveCaptionButton.toolTip != ""
    ui.captionTree.setCurrentItem(ui.captionTree.topLevelItem(0))
    host.pending()
    ui.captionEdit.setPlainText("The mandible is large.")
    assert ui.saveCaptionButton.enabled
    ui.saveCaptionButton.click()
    host.pending()
    case = read_manifest(ui.manifestEdit.text)[0]
    assert case.report == "The mandible is large." and corrected(case)
    assert "(corrected)" in ui.captionTree.topLevelItem(0).text(1)
    assert host.messages == []


def test_cancel_ends_the_work(host: Any, ui: Any, tmp_path: Path) -> None:
    write_manifest([write_head(tmp_path, "anna")], tmp_path / "m.jsonl")
    ui.manifestEdit.text = str(tmp_path / "m.jsonl")
    host.pending()
    ui.checkButton.click()
    assert host.widget.panel.work.busy
    ui.cancelButton.click()
    host.pending()
    assert not host.widget.panel.work.busy and not shown(ui.workFrame)
    assert ui.findingsLabel.text == "" and "stopped" in ui.messageLabel.text
    assert ui.checkButton.enabled and host.messages == []


def test_volumes_that_do_not_say_what_they_are(host: Any, ui: Any, tmp_path: Path) -> None:
    """The launch waits for the modality, which goes into the manifest that is made."""
    import json

    scans = tmp_path / "Köpfe"
    scans.mkdir()
    for name in ("anna", "berta", "clara"):
        write_head(scans, name, word="image", scale=0.01)
    (scans / "labels.json").write_text(json.dumps({str(n): c for n, c in enumerate(NAMES, 1)}))
    ui.folderEdit.text, ui.outputEdit.text = str(scans), str(tmp_path / "Daten")
    host.pending()
    ui.makeButton.click()
    rest(host)
    assert "3 volumes: The modality is not known" in ui.findingsLabel.text, ui.messageLabel.text
    assert "For example anna (anna_image.nii)" in ui.findingsLabel.text
    assert "choose it in the step Data" in ui.launchButton.toolTip and not ui.launchButton.enabled
    choose(ui.modalityComboBox, "MR")
    host.pending()
    assert ui.launchButton.enabled, ui.launchButton.toolTip
    ui.makeButton.click()
    rest(host)
    assert {case.modality for case in read_manifest(ui.manifestEdit.text)} == {"MR"}
    assert "not known" not in ui.findingsLabel.text and ui.launchButton.enabled
    choose(ui.modalityComboBox, "CT")
    host.pending()
    assert "No volume is CT (3 MR)" in ui.launchButton.toolTip
    assert host.messages == []
