"""What can be done with the model of a finished job: use it, give it away, look at what it finds."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.wiring.jobs.material import make_job

EMBEDDED = Path(__file__).parents[3] / "vlp3d_core" / "bundles" / "ct-head-neck"
"""A real bundle; as the result of a fine-tuning with the recipe of that name it would have the same name."""


def finished(bench: Any, manifest: str = "/m.jsonl", name: str | None = None, weights: str | None = None) -> Any:
    """A finished job with a model; another name or another hash in its card where they are given."""
    job = make_job(bench.jobs.root, "done", manifest=manifest)
    shutil.copytree(EMBEDDED, job.run / "bundle")
    card = json.loads((EMBEDDED / "bundle.json").read_text(encoding="utf-8"))
    card["name"] = name or card["name"]
    card["weights"]["sha256"] = weights or card["weights"]["sha256"]
    (job.run / "bundle" / "bundle.json").write_text(json.dumps(card), encoding="utf-8")
    return job


def choose(bench: Any, job: Any) -> None:
    bench.look()
    bench.choose(job.id)


@pytest.fixture
def selected(monkeypatch: pytest.MonkeyPatch, bench: Any) -> list[str]:
    """Names of the models that were chosen in MedVLPSegment; that module has its own test."""
    from MedVLPTrainLib import ModelActions

    names: list[str] = []
    monkeypatch.setattr(ModelActions, "selectModel", names.append)
    return names


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, where it lies on Linux."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "medvlp" / "models"


def test_only_a_finished_fine_tuning_has_a_model(bench: Any) -> None:
    job = finished(bench)
    choose(bench, job)
    assert all(bench.button(name).enabled for name in ("Use", "Export", "Case"))
    (job.run / "bundle" / "bundle.json").unlink()
    bench.look()
    assert bench.button("Use").toolTip == "Its model is not in its folder."


def test_names_never_replace_what_is_installed(bench: Any, models: Path) -> None:
    from MedVLPTrainLib.UseModel import installWords
    from vlp3d_core.errors import MedVLPError

    def words(job: Any) -> tuple[str, list[str]]:
        return installWords(job.run / "bundle", job.id)

    assert words(finished(bench)) == ("ct-head-neck", []), "the very same weights are there"
    other = finished(bench, weights="0" * 64)
    own = f"ct-head-neck-{other.id}"
    assert words(other) == (own, ["models", "add", str(other.run / "bundle"), "--yes", f"--name={own}"])
    new = finished(bench, name="mein-modell")
    assert words(new) == ("mein-modell", ["models", "add", str(new.run / "bundle"), "--yes"])
    shutil.copytree(new.run / "bundle", models / "mein-modell")
    assert words(new) == ("mein-modell", [])
    again = finished(bench, name="mein-modell", weights="1" * 64)
    assert words(again)[0] == f"mein-modell-{again.id}"
    (again.run / "bundle" / "bundle.json").write_text("[]")
    with pytest.raises(MedVLPError, match="card of the model"):
        words(again)


def test_a_model_that_is_installed_is_only_chosen(bench: Any, selected: list[str], models: Path) -> None:
    choose(bench, finished(bench))
    bench.button("Use").click()
    assert selected == ["ct-head-neck"] and not bench.box.errands.busy


def test_use_installs_the_model_and_chooses_it(bench: Any, selected: list[str], models: Path) -> None:
    pytest.importorskip("vlp3d_core.model.install", reason="this engine cannot install models")
    choose(bench, finished(bench, name="mein-modell"))
    bench.button("Use").click()
    assert not bench.button("Use").enabled or bench.box.errands.busy
    bench.until(lambda: selected)
    assert selected == ["mein-modell"] and (models / "mein-modell" / "weights.safetensors").is_file()
    assert bench.said[-1] == ("The model 'mein-modell' is installed.", "good")


def test_a_model_whose_weights_were_changed_is_refused(bench: Any, selected: list[str], models: Path) -> None:
    pytest.importorskip("vlp3d_core.model.install", reason="this engine cannot install models")
    choose(bench, finished(bench, name="mein-modell", weights="0" * 64))
    bench.button("Use").click()
    bench.until(lambda: bench.said[-1][1] == "error")
    assert "SHA-256 differs" in bench.said[-1][0] and bench.host.messages == [("error", bench.said[-1][0])]
    assert selected == [] and not (models / "mein-modell").exists()


def test_export_writes_model_and_card(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vlp3d_core.model.export_bundle", reason="this engine cannot export models")
    choose(bench, finished(bench))
    out, asked = tmp_path / "Für alle", []
    monkeypatch.setattr(bench.box.models, "askPath", lambda name: asked.append(name) or str(out))
    assert [bench.ui.jobExportFormatBox.itemText(n) for n in range(3)] == ["MedVLP model (zip)", "MONAI bundle", "ONNX"]
    bench.button("Export").click()
    bench.until(lambda: bench.said[-1][1] in ("good", "error"))
    assert bench.said[-1] == (f"The model was written with its card: {out}.zip.", "good") and asked == ["Leber.zip"]
    assert any(name.endswith("bundle.json") for name in zipfile.ZipFile(f"{out}.zip").namelist())


def test_an_export_that_was_cancelled_does_nothing(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(bench, finished(bench))
    monkeypatch.setattr(bench.box.models, "askPath", lambda name: "")
    bench.button("Export").click()
    assert not bench.box.errands.busy


def test_a_manifest_without_validation_cases_is_said(bench: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"image": "fehlt.nii.gz", "subject": "a", "split": "validation"}\n')
    choose(bench, finished(bench, str(manifest)))
    bench.button("Case").click()
    assert "No volume of the split 'validation'" in bench.said[-1][0] and not bench.box.errands.busy
    manifest.unlink()
    bench.button("Case").click()
    assert "Cannot read the manifest" in bench.said[-1][0]


def test_a_validation_case_comes_into_the_scene(bench: Any, tmp_path: Path, tiny_models: Path) -> None:
    from Testing.core.tiny import toy_head
    from vlp3d_core.volume.write_image import write_volume

    head = toy_head()
    write_volume(head, tmp_path / "Kopf ä.nii.gz")
    manifest = tmp_path / "m.jsonl"
    rows = [
        {"image": "nicht da.nii.gz", "subject": "a", "split": "validation"},
        {"image": "Kopf ä.nii.gz", "subject": "b", "split": "validation", "modality": "CT"},
    ]
    manifest.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    job = make_job(bench.jobs.root, "done", manifest=str(manifest))
    shutil.copytree(tiny_models / "ct-tiny", job.run / "bundle")
    choose(bench, job)
    bench.button("Case").click()
    bench.until(lambda: bench.said[-1][1] in ("good", "error"))
    assert bench.said[-1] == ("The validation case b is in the scene, with what the model finds there.", "good")
    scene = bench.host.scene
    volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert volume.GetImageData().GetDimensions() == head.shape and node.GetName() == "b, found by 'Leber'"
    assert node.GetSegmentation().GetNumberOfSegments() == 7
    inside, whole = np.zeros(6), np.zeros(6)
    node.GetRASBounds(inside)
    volume.GetRASBounds(whole)
    assert np.all(inside[::2] >= whole[::2] - 1e-3) and np.all(inside[1::2] <= whole[1::2] + 1e-3)
    assert node.GetStorageNode() is None, "its file was temporary: saving the scene must write it"


def test_the_model_is_chosen_in_medvlpsegment(
    host: Any, widget: Any, tiny_models: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was installed after the panel there had listed the models."""
    import slicer

    from MedVLPTrainLib.UseModel import selectModel

    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", shown.append, raising=False)
    until(host, lambda: widget.panel.models.models and not widget.logic.runs)
    mine = tiny_models / "mine"
    shutil.copytree(tiny_models / "ct-tiny", mine)
    try:
        card = json.loads((mine / "bundle.json").read_text(encoding="utf-8"))
        (mine / "bundle.json").write_text(json.dumps(card | {"name": "ct-mine"}), encoding="utf-8")
        selectModel("ct-mine")
        assert shown == ["MedVLPSegment"] and widget.panel.parameters.model == "ct-mine"
        until(host, lambda: widget.panel.models.choice.name == "ct-mine")
        box = widget.ui.modelComboBox
        until(host, lambda: box.itemData(box.currentIndex) == "ct-mine")
    finally:
        shutil.rmtree(mine)
