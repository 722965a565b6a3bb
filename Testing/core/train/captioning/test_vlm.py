"""Image-to-text models: tiny ones with random weights, saved and loaded as real ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.core.train.captioning.tiny_captioners import WORDS, write_blip, write_chat, write_encoder_decoder
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.captioning import Left, Made, MakerStopped, caption
from vlp3d_core.train.captioning.vlm import ASKED, VlmMaker
from vlp3d_core.train.captioning.vlm_folder import find_folder
from vlp3d_core.train.manifest import Case

SAYS = "the liver is seen"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of models by kind, each made once. Do not change them."""
    kinds: dict[str, Callable[[Path], Path]] = {
        "blip": write_blip,
        "figure": lambda folder: write_blip(folder, says=f"figure 2 : {SAYS}"),
        "mute": lambda folder: write_blip(folder, says=": . 1"),
        "encoder-decoder": write_encoder_decoder,
        "chat": write_chat,
    }
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = kinds[kind](tmp_path_factory.mktemp(kind))
        return made[kind]

    return folder


@pytest.mark.parametrize("kind", ["blip", "encoder-decoder", "chat"])
def test_every_kind_of_model_says_something_and_the_same_each_time(
    kind: str, models: Callable[[str], Path], cases: list[Case]
) -> None:
    first = caption(cases, VlmMaker(str(models(kind)), slices=2, tokens=6)).cases
    assert first == caption(cases, VlmMaker(str(models(kind)), slices=2, tokens=6)).cases
    for case in first:
        assert case.report and set(case.report.replace(".", " . ").split()) <= set(WORDS)
        assert not set(case.report.split()) & {"[DEC]", "[SEP]", "<image>"}
        assert case.caption["maker"] == "vlm" and case.caption["crop"].startswith("axial slices ")
        assert case.caption["version"].startswith(models(kind).name)
        assert case.image.name not in case.report and case.subject not in case.report


def test_the_model_sees_the_slices(
    models: Callable[[str], Path], cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = VlmMaker(str(models("blip")), slices=3, tokens=8)
    seen = []
    generate = maker._model.generate
    monkeypatch.setattr(maker._model, "generate", lambda **kw: seen.append(kw["pixel_values"]) or generate(**kw))
    made = maker.caption(cases[0])
    assert isinstance(made, Made) and made.crop.count(",") == 2
    assert len(seen) == 3 and not any(seen[0].equal(other) for other in seen[1:])
    one = VlmMaker(str(models("blip")), tokens=8).caption(cases[0])
    assert isinstance(one, Made) and one.crop.startswith("axial slice ")
    assert one.text in made.text, "the middle slice is one of three"


def test_other_volumes_get_other_texts(models: Callable[[str], Path], cases: list[Case]) -> None:
    texts = {case.report for case in caption(cases, VlmMaker(str(models("blip")), slices=3)).cases}
    assert len(texts) == 3


def test_prefixes_go_and_the_same_text_is_said_once(models: Callable[[str], Path], cases: list[Case]) -> None:
    made = VlmMaker(str(models("figure")), slices=4).caption(cases[0])
    assert isinstance(made, Made) and made.text == f"{SAYS}."


def test_no_more_than_the_tokens_that_are_allowed(models: Callable[[str], Path], cases: list[Case]) -> None:
    made = VlmMaker(str(models("figure")), tokens=5).caption(cases[0])
    assert isinstance(made, Made) and made.text == "the liver.", "figure 2 : are three more"
    most = VlmMaker(str(models("blip"))).caption(cases[0])
    assert isinstance(most, Made) and len(most.text.replace(".", " . ").split()) <= 51


def test_a_model_that_says_nothing(models: Callable[[str], Path], cases: list[Case]) -> None:
    left = VlmMaker(str(models("mute"))).caption(cases[0])
    assert isinstance(left, Left) and "said nothing" in left.why


def test_prompts(models: Callable[[str], Path], cases: list[Case]) -> None:
    blip = VlmMaker(str(models("blip")), prompt="axial image of", tokens=5)
    made = blip.caption(cases[0])
    assert isinstance(made, Made) and made.text.startswith("axial image of ")
    assert blip.settings["prompt"] == "axial image of"
    chat = VlmMaker(str(models("chat")), prompt="what shows", tokens=12)
    answer = chat.caption(cases[0])
    assert isinstance(answer, Made) and "what shows" not in answer.text
    assert VlmMaker(str(models("chat"))).settings["prompt"] == ASKED
    with pytest.raises(UsageError, match="no prompt"):
        VlmMaker(str(models("encoder-decoder")), prompt="axial image of")


@pytest.mark.parametrize("modality", ["MR", "EM", "PT", ""])
def test_other_modalities(modality: str, models: Callable[[str], Path], cases: list[Case]) -> None:
    made = VlmMaker(str(models("blip")), tokens=6).caption(replace(cases[0], modality=modality))
    assert isinstance(made, Made) and made.text


def test_the_version_names_the_weights(models: Callable[[str], Path], tmp_path: Path) -> None:
    same = VlmMaker(str(models("blip"))).version
    assert same == VlmMaker(str(models("blip"))).version
    other = write_blip(tmp_path, seed=1)
    assert VlmMaker(str(other)).version.split()[-1] != same.split()[-1]
    assert str(tmp_path.parent) not in VlmMaker(str(other)).version


def test_a_model_that_cannot_take_the_picture_ends_the_run(
    models: Callable[[str], Path], cases: list[Case], tmp_path: Path
) -> None:
    for file in models("blip").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "processor_config.json").read_text())
    settings["image_processor"]["size"] = {"height": 48, "width": 48}
    (tmp_path / "processor_config.json").write_text(json.dumps(settings))
    with pytest.raises(MakerStopped, match="cannot describe an image"):
        caption(cases, VlmMaker(str(tmp_path)))


def without_weights(folder: Path, models: Callable[[str], Path]) -> Path:
    for file in models("blip").iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_folder_without_weights(models: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="has no weights"):
        VlmMaker(str(without_weights(tmp_path, models)))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "tf_model.h5"])
def test_pickled_weights_are_never_opened(name: str, models: Callable[[str], Path], tmp_path: Path) -> None:
    # A pickle that would write a file when it is loaded.
    mark = tmp_path / "executed"
    (without_weights(tmp_path, models) / name).write_bytes(f"cbuiltins\nopen\n(V{mark}\nVw\ntR.".encode())
    with pytest.raises(MedVLPError, match="pickled"):
        VlmMaker(str(tmp_path))
    assert not mark.exists()


def test_damaged_weights(models: Callable[[str], Path], tmp_path: Path) -> None:
    (without_weights(tmp_path, models) / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(MedVLPError, match="cannot be loaded as an image-to-text model"):
        VlmMaker(str(tmp_path))


def test_code_of_a_model_is_never_run(models: Callable[[str], Path], tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for file in models("blip").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "mine.py").write_text(f"open({str(mark)!r}, 'w')\nclass Model: ...\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.Model", "AutoModelForImageTextToText": "mine.Model"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(MedVLPError, match="cannot be loaded"):
        VlmMaker(str(tmp_path))
    assert not mark.exists()


def test_a_model_of_another_kind() -> None:
    from vlp3d_core.text.encoder import EMBEDDED

    with pytest.raises(MedVLPError, match="image-to-text"):
        VlmMaker(str(EMBEDDED))


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no such folder/…", "x" * 300, "a\0b", ""])
def test_unknown_models(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for download, said in ((False, "--download"), (True, "could not be downloaded")):
        with pytest.raises(UsageError, match=said):
            find_folder(name, download)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match=r"no config\.json"):
        VlmMaker(str(tmp_path))


def test_a_hub_name_is_found_in_the_local_cache(
    models: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: list[Case]
) -> None:
    """As the hub's client lays it out: snapshots by commit."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    home = tmp_path / "models--someone--tiny-blip"
    for folder in ("refs", f"snapshots/{commit}"):
        (home / folder).mkdir(parents=True)
    (home / "refs/main").write_text(commit)
    for file in models("blip").iterdir():
        (home / "snapshots" / commit / file.name).write_bytes(file.read_bytes())
    maker = VlmMaker("someone/tiny-blip", tokens=6)
    assert maker.version.startswith("someone/tiny-blip ")
    assert maker.caption(cases[0]) == VlmMaker(str(models("blip")), tokens=6).caption(cases[0])
