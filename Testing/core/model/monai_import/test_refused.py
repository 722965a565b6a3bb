"""What cannot be followed exactly is refused by its name, and nothing is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from Testing.core.model.monai_import.made import add, config, metadata, script, write
from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.networks import check_arguments
from vlp3d_core.predict.loaded import load_model
from vlp3d_core.volume import Volume


def step(place: str, number: int, **values: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda settings, meta: settings[place]["transforms"][number].update(values)


def insert(place: str, number: int, **values: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda settings, meta: settings[place]["transforms"].insert(number, values)


def data(part: str, name: str, **values: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    return lambda settings, meta: meta["network_data_format"][part][name].update(values)


def window_first(settings: dict[str, Any], meta: dict[str, Any]) -> None:
    steps = settings["preprocessing"]["transforms"]
    steps.insert(2, steps.pop(4))


def threshold(settings: dict[str, Any], meta: dict[str, Any]) -> None:
    steps = settings["postprocessing"]["transforms"]
    steps[0] = {"_target_": "Activationsd", "sigmoid": True}
    steps[2] = {"_target_": "AsDiscreted", "threshold": 0.3}


BAD: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], Any], str]] = {
    "an unknown transform": (
        insert("preprocessing", 5, _target_="NormalizeIntensityd", keys="image"), "NormalizeIntensityd"),
    "a class of one's own": (insert("preprocessing", 5, _target_="scripts.evil.Transform"), "scripts.evil.Transform"),
    "a name that ends well": (insert("preprocessing", 5, _target_="os.LoadImaged"), "os.LoadImaged"),
    "an expression": (step("preprocessing", 4, a_min="$__import__('os').system('true')"), "expression"),
    "an expression by reference": (lambda s, m: s.update(spacing="$[1, 1, 1]"), "expression"),
    "a circle": (lambda s, m: s.update(spacing="@a", a="@b", b="@a"), "refers to itself"),
    "nowhere": (step("preprocessing", 3, pixdim="@nowhere::x"), "not there"),
    "other axes": (step("preprocessing", 2, axcodes="LPS"), "Orientationd with axcodes 'LPS'"),
    "nearest": (step("preprocessing", 3, mode="nearest"), "Spacingd with mode"),
    "no clip": (step("preprocessing", 4, clip=False), "without clip"),
    "no spacing": (lambda s, m: s["preprocessing"]["transforms"].pop(3), "no Spacingd"),
    "an empty window": (step("preprocessing", 4, a_max=-100), "empty range"),
    "words for numbers": (step("preprocessing", 4, a_max="300"), "ScaleIntensityRanged with"),
    "a step before spacing": (window_first, "after Scale"),
    "a threshold of one's own": (threshold, "threshold 0.3"),
    "an unknown step after": (insert("postprocessing", 1, _target_="Lambdad", func="x"), "Lambdad"),
    "no preprocessing": (lambda s, m: s.pop("preprocessing"), "has no preprocessing"),
    "four channels": (data("inputs", "image", num_channels=4), "wants 4 channels"),
    "ultrasound": (data("inputs", "image", modality="US"), "modality 'US'"),
    "no names": (lambda s, m: m["network_data_format"]["outputs"]["pred"].pop("channel_def"), "channel_def"),
    "a channel too many": (data("outputs", "pred", channel_def={"0": "background", "2": "x"}), "every channel"),
    "no background": (data("outputs", "pred", channel_def={"0": "a", "1": "b"}), "not background"),
    "twins": (data("outputs", "pred", channel_def={"0": "background", "1": "Liver", "2": "liver"}), "one name"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_followed_is_named(kind: str, folder: Path, user: Path) -> None:
    change, said = BAD[kind]
    settings, meta = config(), metadata()
    change(settings, meta)
    with pytest.raises(MedVLPError) as caught:
        add(write(folder, settings, meta))
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert list(user.iterdir()) == []


def test_pickles_stay_closed(folder: Path, user: Path) -> None:
    (folder / "models" / "model.ts").rename(folder / "models" / "model.pt")
    with pytest.raises(MedVLPError, match="never opened") as caught:
        add(folder)
    assert "model.safetensors" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("name", ["inference", "metadata"])
def test_configs_that_are_none(content: bytes, name: str, folder: Path) -> None:
    (folder / "configs" / f"{name}.json").write_bytes(content)
    with pytest.raises(MedVLPError):
        add(folder)


class Saves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "/tmp/never-written")
        return x


class Reads(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_file("/etc/hostname", False, 4, dtype=torch.uint8) + x


@pytest.mark.parametrize("module", [Saves(), Reads()])
def test_torchscript_that_touches_files(module: nn.Module, folder: Path, user: Path) -> None:
    try:
        script(module, folder / "models" / "model.ts")
    except RuntimeError as error:
        pytest.skip(f"torch does not write such TorchScript: {str(error)[:60]}")
    with pytest.raises(MedVLPError, match="TorchScript calls"):
        add(folder)
    assert list(user.iterdir()) == []


@pytest.mark.parametrize("damage", ["no zip", "cut", "in front", "another file"])
def test_torchscript_that_is_none(damage: str, folder: Path) -> None:
    path = folder / "models" / "model.ts"
    content = path.read_bytes()
    changed = {
        "no zip": b"x" * 100,
        "cut": content[: len(content) // 2],
        "in front": b"#!/bin/sh\n" + content,
        "another file": Path(shutil.make_archive(str(folder.parent / "z"), "zip", folder / "configs")).read_bytes(),
    }
    path.write_bytes(changed[damage])
    with pytest.raises(MedVLPError):
        add(folder)


def test_a_network_that_gives_something_else(folder: Path, toy_head: Volume) -> None:
    meta = metadata()
    meta["network_data_format"]["outputs"]["pred"]["channel_def"]["3"] = "liver"
    bundle = add(write(folder, meta=meta))
    with pytest.raises(MedVLPError, match="does not give 4 scores"):
        load_model(bundle.folder, "cpu").segment(toy_head)


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("UNETR", {}),
        ("__import__", {}),
        ("UNet", {"channels": [10**9]}),
        ("UNet", {"act": {"_target_": "os.system"}}),
        ("UNet", {"norm": "$evil"}),
        ("UNet", {"channels": [[[[[1]]]]]}),
    ],
)
def test_networks_that_are_refused(network: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(MedVLPError):
        check_arguments(network, arguments)
