"""MedVLPTrain's panel: from volumes to a job, by clicks; and what it says when something is not right."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from Testing.core.tiny import toy_grid, toy_labels  # noqa: E402
from Testing.slicer.results import segmentation_of  # noqa: E402
from vlp3d_core.service.jobs.spec import JobSpec  # noqa: E402
from vlp3d_core.train.captioning.maker import corrected  # noqa: E402
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest  # noqa: E402

PATIENCE = 300.0
NAMES = ["trachea", "parotid_gland_left", "parotid_gland_right", "brainstem", "spinal_cord", "mandible", "skull"]
ACTIONS = ("makeButton", "checkButton", "captionButton", "trialButton", "launchButton")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module in an empty scene, with a folder of jobs of its own. No slot may have raised by the end."""
    from Testing.wiring.host.application import running
    from Testing.wiring.host.pythonqt import slot_errors

    monkeypatch.setenv("MEDVLP_JOBS", str(tmp_path / "Aufträge"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with running(tmp_path, None, "MedVLPTrain") as made:
        made.open()
        made.pending()
        yield made
    errors, slot_errors[:] = list(slot_errors), []
    assert errors == []


@pytest.fixture
def ui(host: Any) -> Any:
    return host.widget.ui


def until(host: Any, condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain; the panel says {host.widget.ui.messageLabel.text!r}"
        host.pending()
        time.sleep(0.01)
    host.pending()


def rest(host: Any) -> None:
    """Wait until nothing is under way."""
    host.pending()
    until(host, lambda: not host.widget.panel.work.busy)


def shown(widget: Any) -> bool:
    return bool(widget.isVisibleTo(widget.parentWidget()))


def choose(box: Any, name: str) -> None:
    box.setCurrentIndex(box.findData(name))


def voxels_of(labels: Any, name: str) -> Any:
    """An image on which the labels could have been drawn; another name, other noise."""
    noise = np.random.default_rng(list(name.encode())).normal(0, 3, labels.shape)
    return (labels * 100.0 + noise).astype(np.int16)


def write_head(folder: Path, name: str) -> Case:
    """The toy head's labels as an image and a label map."""
    labels = toy_labels(toy_grid())
    nib.save(nib.Nifti1Image(voxels_of(labels, name), toy_grid().affine), folder / f"{name}_ct.nii")
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), toy_grid().affine), folder / f"{name}_seg.nii.gz")
    label = folder / f"{name}_seg.nii.gz"
    return Case(folder / f"{name}_ct.nii", name, "train", label, dict(enumerate(NAMES, 1)), modality="CT")


def add_head(host: Any, name: str, rename: str = "") -> tuple[Any, Any]:
    """The toy head as a volume and a segmentation of the scene."""
    from MedVLPLib.Volumes import volumeFromNode
    from MedVLPSegmentLib.Segments import addSegmentation

    labels = toy_labels(toy_grid())
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(np.swapaxes(voxels_of(labels, name), 0, 2)))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(toy_grid().affine))
    node.SetAttribute("DICOM.Modality", "CT")
    made = segmentation_of(volumeFromNode(node), labels, NAMES)
    segmentation = addSegmentation(made, node, surfaces=False).node
    if rename:
        content = segmentation.GetSegmentation()
        for number, segment_id in enumerate(content.GetSegmentIDs()):
            content.GetSegment(segment_id).SetName(f"{rename} {number}")
            content.GetSegment(segment_id).RemoveTag("MedVLP.Concept")
    host.pending()
    return node, segmentation


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


def test_the_choices_are_saved_with_the_scene(host: Any, ui: Any, tmp_path: Path) -> None:
    ui.nameEdit.text, ui.batchEdit.text = "Mein Modell", "3"
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
    assert (ui.nameEdit.text, ui.batchEdit.text, ui.moreEdit.plainText) == ("Mein Modell", "3", "workers=1\nema=0.9")
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
