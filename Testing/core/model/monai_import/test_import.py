"""MONAI bundles become usable models."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from Testing.core.model.monai_import.made import add, config, metadata, write
from Testing.core.tiny import BANDS
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.bundle import load_network, read_bundle
from vlp3d_core.model.card_page import card_page
from vlp3d_core.model.export_monai import export_monai
from vlp3d_core.model.install import candidate
from vlp3d_core.model.networks import stride_of
from vlp3d_core.predict.asked import asked_structures
from vlp3d_core.predict.loaded import load_model
from vlp3d_core.service.catalogue import catalogue
from vlp3d_core.volume import Volume


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
    with pytest.raises(MedVLPError, match="no text queries"):
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


def test_strides() -> None:
    assert stride_of("UNet", {"strides": [2, 2, 2, 2]}) == 16
    assert stride_of("DynUNet", {"strides": [[1, 1, 1], [2, 2, 1], [2, 2, 2]]}) == 4
    assert stride_of("SegResNet", {"blocks_down": [1, 2, 2, 4]}) == 8
    assert (stride_of("SwinUNETR", {}), stride_of("BasicUNet", {})) == (32, 16)
