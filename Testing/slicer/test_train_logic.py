"""The form as a job and back, findings in words, captions by hand, commands as processes."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")

from MedVLPTrainLib.Captions import Captions
from MedVLPTrainLib.Command import Command
from MedVLPTrainLib.Findings import readFindings
from MedVLPTrainLib.Settings import recipeSays, recipesOf, settingsOf
from MedVLPTrainLib.SpecForm import METHODS, Form, formOf, modelName, specOf
from MedVLPTrainLib.TrainLogic import TrainLogic
from MedVLPTrainLib.Words import durationText, needText
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.settings import settings_of
from vlp3d_core.service.jobs.spec import JobSpec, parse_spec
from vlp3d_core.train.captioning.maker import Made, corrected, stamped
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest

PATIENCE = 120.0
FULL = Form(
    name="Größe 1", modality="MR", init="/runs/gtgm", more="workers=2\nweight_decay=0.1", manifest="/data/m.jsonl",
    settings="steps=40\nbatch=2\npatch=64, 64, 48\nspacing=1, 1, 2.5\nlearning_rate=0.001\nencoder=resnet-50\nema=0.9"
    "\nlabel_fraction=0.5\nseed=3",
)  # fmt: skip


def test_the_form_as_a_job_and_back() -> None:
    spec = specOf(FULL)
    assert parse_spec(spec.to_json()) == spec, "what the form makes, the schema accepts"
    made = settings_of(spec)
    assert (made.patch, made.spacing, made.ema, made.modality) == ((64, 64, 48), (1.0, 1.0, 2.5), 0.9, "MR")
    assert (made.encoder, made.encoder_options) == ("resnet-50", {}), "the recipe's options are for another encoder"
    assert spec.options == {"init": "/runs/gtgm"}
    assert {"name=gr-e-1", 'title="Größe 1"'} <= set(spec.overrides)
    assert formOf(spec) == FULL
    shell = JobSpec("finetune", "m.jsonl", recipe="small", options={"label-fraction": 0.25, "seed": 7})
    assert formOf(shell).settings == "seed=7\nlabel_fraction=0.25"


@pytest.mark.parametrize("method", METHODS)
def test_every_recipe_of_every_method_is_a_job(method: str) -> None:
    for recipe in recipesOf(method):
        spec = specOf(Form(method, recipe, "x", settings="steps=7", manifest="m.jsonl"))
        assert settings_of(parse_spec(spec.to_json())).steps == 7
        assert formOf(spec).method == method


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": "patch=64, 64"}, "'64, 64' is no patch"),
        ({"settings": "spacing=a lot"}, "'a lot' is no spacing"),
        ({"settings": "label_fraction=2"}, "label_fraction must not be above 1"),
        ({"settings": "encoder=nope"}, "encoder must be one of residual-unet, swin-unetr, resnet-50"),
        ({"method": "t3d", "settings": "objectives=clip; dream"}, "objectives can have clip, tcl, tir, tma, not dream"),
        ({"more": "two words"}, "is not a setting"),
        ({"settings": "steps=4", "more": "steps=5"}, "steps is said twice"),
        ({"settings": "steps=none"}, "steps cannot be 'none'"),
        ({"settings": "batch=0"}, "batch must be above 0"),
        ({"more": "colour=red"}, "unknown settings: colour"),
        ({"method": "gtgm", "settings": "batch=1"}, "batch must be above 1"),
    ],
)
def test_mistakes_in_the_form_are_said(changes: dict[str, str], words: str, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("")
    with pytest.raises(UsageError, match=words):
        TrainLogic(python=sys.executable).spec(Form(manifest=str(tmp_path / "m.jsonl"), **changes))


def test_a_job_that_is_no_training_cannot_fill_the_form() -> None:
    with pytest.raises(UsageError, match="Only trainings"):
        formOf(JobSpec("caption", "m.jsonl"))


def test_without_data_there_is_no_job(tmp_path: Path) -> None:
    logic = TrainLogic(Jobs(tmp_path / "jobs"), sys.executable)
    for manifest, words in (("", "no data yet"), (str(tmp_path / "nothing.jsonl"), "does not exist")):
        with pytest.raises(MedVLPError, match=words):
            logic.submit(Form(manifest=manifest))
    assert logic.jobs.list() == []


def test_each_method_has_settings_of_its_own() -> None:
    assert [one.name for one in settingsOf("finetune")] == [
        "steps", "batch", "patch", "spacing", "learning_rate", "encoder", "ema", "label_fraction", "seed",
    ]  # fmt: skip
    own = {"gtgm": "barlow_weight", "t3d": "objectives", "mg3d": "clip_weight"}
    for method, name in own.items():
        assert [one in [setting.name for setting in settingsOf(method)] for one in own.values()].count(True) == 1
        assert {"temperature", name} <= {one.name for one in settingsOf(method)}
    assert recipeSays("t3d", "small")["objectives"] == "clip, tcl, tir"
    assert recipeSays("finetune", "base") | {"steps": "20000", "patch": "planned from the data"} == recipeSays(
        "finetune", "base"
    )
    both = Form("gtgm", settings="temperature=0,05\nlabel_fraction=0.5", manifest="m")
    assert specOf(both).overrides == ("temperature=0.05",), "what the method does not have rests"


def test_what_there_is_here(tmp_path: Path) -> None:
    logic = TrainLogic(Jobs(tmp_path), sys.executable)
    assert logic.targets()[0] == ("This computer", "local")
    assert "free" in logic.aboutThisComputer()
    assert any(title.startswith("Model ") for title, _folder in logic.starts())


def test_findings_in_words() -> None:
    found = readFindings(
        {
            "volumes": 30, "subjects": 1, "with_label": 2, "with_report": 0, "splits": {"train": 3},
            "modalities": {"CT": 2, "MR": 1}, "labels": {"liver": 2}, "spacings": {"1 x 1 x 3": 3},
            "groups": [
                {"level": "error", "text": "It is broken.", "count": 1, "example": "a (a.nii)"},
                {"level": "warning", "text": "The modality is not known.", "count": 12, "example": "b (b.nii)"},
                {"level": "warning", "text": "Hm.", "count": 0, "example": ""},
            ],
        }
    )  # fmt: skip
    assert found.errors == ("a (a.nii): It is broken.",) and found.kind == "error"
    assert found.text().splitlines() == [
        "30 volumes, 2 with labels, 0 with a text.",
        "a (a.nii): It is broken.",
        "There are several modalities (2 CT, 1 MR), and a model learns one.",
        "There is only one patient: nobody is left to validate on.",
        "12 volumes: The modality is not known. For example b (b.nii).",
        "Hm.",
    ]
    assert ("Structure", "Liver", 2) in found.counts and ("Spacing (mm)", "1 x 1 x 3", 3) in found.counts
    assert "It is broken." in found.obstacle("finetune")
    assert "label maps" in readFindings({"volumes": 1}).obstacle("finetune")
    assert "captions" in readFindings({"with_report": 1}).obstacle("gtgm")
    few = {"with_report": 8, "reports": {"train": 7, "validation": 1}}
    assert "in the split 'validation'" in readFindings(few).obstacle("gtgm")
    enough = {"with_report": 8, "reports": {"train": 6, "validation": 2}}
    assert readFindings(enough).obstacle("gtgm") == readFindings({"with_label": 1}).obstacle("finetune") == ""
    many = readFindings({"notes": [str(n) for n in range(40)]})
    assert "… and 28 more." in many.text()


@pytest.mark.parametrize(
    ("modalities", "method", "modality", "words"),
    [
        ({"MR": 3}, "finetune", "", ""),
        ({"unknown": 3}, "finetune", "", "do not say their modality"),
        ({"unknown": 3, "MR": 1}, "finetune", "", ""),
        ({"unknown": 3}, "finetune", "EM", ""),
        ({"CT": 2, "MR": 3}, "finetune", "", r"several modalities \(3 MR, 2 CT\)"),
        ({"CT": 2, "MR": 3}, "finetune", "CT", ""),
        ({"CT": 2}, "finetune", "MR", r"No volume is MR \(2 CT\)"),
        ({"unknown": 3}, "gtgm", "CT", ""),
        ({"CT": 2, "MR": 3}, "gtgm", "CT", "for CT, and there are other volumes"),
    ],
)
def test_a_modality_that_cannot_be_learned_is_said_before_the_launch(
    modalities: dict[str, int], method: str, modality: str, words: str
) -> None:
    said = {"with_label": 5, "with_report": 5, "reports": {"validation": 2}, "modalities": modalities}
    found = readFindings(said).obstacle(method, modality)
    assert re.search(words, found) if words else found == ""


def test_the_modality_of_a_job() -> None:
    logic = TrainLogic(python=sys.executable)
    assert [logic.modality(form) for form in (Form(), Form("t3d"), Form(modality="MR"), Form(more="modality=EM"))] == [
        "", "CT", "MR", "EM",
    ]  # fmt: skip
    assert settings_of(specOf(Form("gtgm", modality="MR", manifest="m"))).normalisation["kind"] == "percentile"
    assert specOf(Form(modality="MR", more="modality=EM", manifest="m")).overrides == ("modality=EM",)


class Maker:
    """What stamps a caption."""

    name, version, settings = "facts", "1", {}


def test_a_caption_corrected_by_hand_is_a_persons(tmp_path: Path) -> None:
    (tmp_path / "bilder").mkdir()
    case = Case(Path("bilder/ä.nii"), "a", "train")
    write_manifest([stamped(case, Made("The liver is large.", "all"), Maker()), case], tmp_path / "m.jsonl")
    captions = Captions(tmp_path / "m.jsonl")
    first = captions.rows()[0]
    assert (first.text, first.made, first.corrected) == ("The liver is large.", True, False)
    row = captions.correct(0, " The liver is small.\n")
    assert row.corrected and row.text == "The liver is small."
    first = read_manifest(tmp_path / "m.jsonl", check_files=False)[0]
    assert corrected(first), "the engine will not write over it"
    assert json.loads((tmp_path / "m.jsonl").read_text().splitlines()[0])["image"] == str(Path("bilder/ä.nii"))


def answer(command: Command) -> Any:
    end = time.monotonic() + PATIENCE
    while command.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return command.poll()


def test_a_command_answers_and_fails_in_words(tmp_path: Path) -> None:
    assert "jobs" in answer(Command(sys.executable, ["jobs", "list"])).said
    refused = answer(Command(sys.executable, ["manifest", "check", str(tmp_path / "ä.jsonl")]))
    assert refused.error is not None and "Cannot read the manifest" in refused.error.cause
    with pytest.raises(MedVLPError, match="cannot be started"):
        Command(str(tmp_path / "no python"), [])


def test_a_command_is_ended_with_all_that_it_started() -> None:
    command = Command(sys.executable, ["jobs", "list"])
    process = psutil.Process(command.child.pid)
    command.cancel()
    assert isinstance(command.poll().error, Cancelled)  # type: ignore[union-attr]
    assert not process.is_running()
    assert not Path(command.child.folder).exists()


def test_times_and_needs_in_words() -> None:
    assert [durationText(s) for s in (0.2, 600, 9000, 200_000)] == ["1 s", "10 min", "2.5 h", "2.3 days"]
    measured = {"seconds_per_step": 0.5, "seconds_for_the_run": 600, "peak_memory_bytes": 2.5e9, "disk_bytes": 3e6}
    assert "0.5 s, the whole run about 10 min" in needText(measured) and "2.5 GB" in needText(measured)
    assert modelName("Größe 1") == "gr-e-1" and modelName("…") == "model"
