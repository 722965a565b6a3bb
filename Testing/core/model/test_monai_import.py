"""MONAI bundles become usable models; what cannot be followed exactly is refused by its name, and nothing is run."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from Testing.core.tiny import BANDS
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model import registry
from vlp3d_core.model.bundle import Bundle, load_network, read_bundle
from vlp3d_core.model.card_page import card_page
from vlp3d_core.model.export_monai import export_monai
from vlp3d_core.model.install import candidate
from vlp3d_core.model.networks import check_arguments, stride_of
from vlp3d_core.predict.asked import asked_structures
from vlp3d_core.predict.loaded import load_model
from vlp3d_core.service.catalogue import catalogue
from vlp3d_core.volume import Volume


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MEDVLP_MODELS", raising=False)
    monkeypatch.setattr(registry, "user_data_path", lambda *args, **kwargs: tmp_path / "user")
    return tmp_path / "user" / "models"


class Bands(nn.Module):
    """Channel 1: values from 0.5 (0 to 100 HU in the window), channel 2: from 0.8; channel 0 between."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.full_like(x, 0.5), x, 3 * x - 1.6], dim=1)


def script(module: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))


def config() -> dict[str, Any]:
    """As MONAI's model zoo writes them, expressions in parts that nobody reads included."""
    return {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "spacing": [4.0, 4.0, 4.0],
        "image_key": "image",
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3,
                        "channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": "batch"},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "@image_key"},
                {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
                {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": "@spacing", "mode": "bilinear"},
                {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -100, "a_max": 300, "b_min": 0,
                 "b_max": 1, "clip": True},
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [96, 96, 96]},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "to_tensor": "$True"},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$@bundle_root + '/eval'"},
            ],
        },
        "initialize": ["$open('/tmp/never', 'w')"],
    }  # fmt: skip


def metadata() -> dict[str, Any]:
    image = {"modality": "CT", "num_channels": 1, "spatial_shape": ["2*n"] * 3}
    names = {"0": "background", "1": "Spinal cord", "2": "Größe X (core)"}
    return {
        "version": "0.3.1",
        "task": "Two bands",
        "description": "For tests.",
        "copyright": "nobody",
        "data_source": "none",
        "network_data_format": {
            "inputs": {"image": image},
            "outputs": {"pred": {"num_channels": 3, "channel_def": names}},
        },
    }


def write(folder: Path, settings: Any = None, meta: Any = None) -> Path:
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(settings or config()), encoding="utf-8")
    (folder / "configs" / "metadata.json").write_text(json.dumps(meta or metadata()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def scripted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "model.ts"
    script(Bands(), path)
    return path


@pytest.fixture
def folder(scripted_once: Path, tmp_path: Path) -> Path:
    """A MONAI bundle with TorchScript."""
    folder = write(tmp_path / "two bänds ct")
    (folder / "models").mkdir()
    shutil.copy(scripted_once, folder / "models" / "model.ts")
    (folder / "LICENSE").write_text("\nApache License 2.0\nmore\n")
    return folder


def add(source: Path, name: str | None = None) -> Bundle:
    with candidate(source, name) as found:
        return found.install()


def test_torchscript(folder: Path, toy_head: Volume) -> None:
    with candidate(folder) as found:
        assert any("Größe X (core)" in note for note in found.notes)
        bundle = found.install()
    assert bundle.name == "two-b-nds-ct" and bundle.card["licence"] == "Apache License 2.0"
    assert bundle.concepts == ("spinal_cord", "custom_gr_sse_x_core")
    result = load_model(bundle.name, "cpu").segment(toy_head)
    x = (np.clip(toy_head.array, -100, 300) + 100) / 400
    wanted = np.argmax(np.stack([np.full_like(x, 0.5), x, 3 * x - 1.6]), axis=0)
    np.testing.assert_array_equal(result.labels, wanted)
    assert {1, 2} <= set(np.unique(wanted))
    own = result.segments[1]
    assert (own.name, own.type) == ("Größe X (core)", ("99VLP", "custom_gr_sse_x_core", "Größe X (core)"))
    assert all(0.5 <= segment.score <= 1 and segment.found for segment in result.segments)


def test_the_structures_can_be_asked_for(folder: Path, toy_head: Volume) -> None:
    bundle = add(folder)
    assert asked_structures("größe x (core), spinal cord", bundle) == ("custom_gr_sse_x_core", "spinal_cord")
    assert asked_structures("Größe X (core)", bundle) == ("custom_gr_sse_x_core",)
    with pytest.raises(UsageError, match="not trained on liver"):
        asked_structures("liver", bundle)
    model = load_model(bundle.folder, "cpu")
    assert len(model.find(toy_head, "spinal cord")) > 0
    assert model.estimate(toy_head).memory_bytes > 0


def test_a_card_is_shown_everywhere(folder: Path) -> None:
    bundle = add(folder)
    assert "torchscript, 3 classes, softmax" in card_page(bundle) and "Größe X (core)" in card_page(bundle)
    row = next(row for row in catalogue() if row["name"] == bundle.name)
    assert row["problem"] == "" and row["concepts"] == list(bundle.concepts)
    with pytest.raises(MedVLPError, match="fixed classes"):
        load_network(bundle)


def test_our_own_monai_export_comes_back(tiny_bundle: Path, toy_head: Volume, tmp_path: Path) -> None:
    export_monai(read_bundle(tiny_bundle), tmp_path / "back")
    bundle = add(Path(shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path, "back")), "ct-back")
    assert bundle.concepts == tuple(BANDS)
    assert bundle.card["architecture"]["stride"] == 2 and bundle.card["licence"] == "Apache-2.0"
    again = load_model("ct-back", "cpu").segment(toy_head)
    np.testing.assert_array_equal(again.labels, load_model(tiny_bundle, "cpu").segment(toy_head).labels)


def test_a_known_network(folder: Path, toy_head: Volume) -> None:
    from monai.networks.nets import UNet

    torch.manual_seed(0)
    arguments = {k: v for k, v in config()["network_def"].items() if k != "_target_"}
    network = UNet(**arguments).eval()
    (folder / "models" / "model.ts").unlink()
    save_file(network.state_dict(), folder / "models" / "model.safetensors")
    bundle = add(folder, "ct-unet")
    assert bundle.card["architecture"]["network"] == "UNet"
    model = load_model("ct-unet", "cpu")
    image = torch.rand((1, 1, 8, 6, 4), generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        scores = network((image + 1) / 2)
        given = model.ready.network.embed(image)
    torch.testing.assert_close(given, scores[:, 1:] - scores[:, :1])
    assert model.segment(toy_head).labels.shape == toy_head.array.shape


def test_sigmoid(folder: Path, toy_head: Volume) -> None:
    settings, meta = config(), metadata()
    settings["postprocessing"]["transforms"][0] = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
    settings["postprocessing"]["transforms"][2] = {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}
    settings["postprocessing"]["transforms"].insert(
        3, {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1]}
    )
    meta["network_data_format"]["outputs"]["pred"]["channel_def"] = {
        "0": "whole tumor",
        "1": "enhancing tumor",
        "2": "x",
    }
    with candidate(write(folder, settings, meta)) as found:
        assert any("independently" in note for note in found.notes)
        bundle = found.install()
    assert bundle.concepts == ("custom_whole_tumor", "custom_enhancing_tumor", "custom_x")
    assert [row["largest_component"] for row in bundle.card["concepts"]] == [False, True, False]
    assert (load_model(bundle.folder, "cpu").segment(toy_head).labels > 0).any()


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


def test_strides() -> None:
    assert stride_of("UNet", {"strides": [2, 2, 2, 2]}) == 16
    assert stride_of("DynUNet", {"strides": [[1, 1, 1], [2, 2, 1], [2, 2, 2]]}) == 4
    assert stride_of("SegResNet", {"blocks_down": [1, 2, 2, 4]}) == 8
    assert (stride_of("SwinUNETR", {}), stride_of("BasicUNet", {})) == (32, 16)
