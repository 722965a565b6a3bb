"""Exported models: others' software reads them and says the same."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from numpy.typing import NDArray

from Testing.core.tiny import tiny_card, tiny_network, write_tiny_bundle
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model import export_onnx as onnx_module
from vlp3d_core.model import registry
from vlp3d_core.model.bundle import Bundle, read_bundle, write_bundle
from vlp3d_core.model.export_bundle import export_bundle
from vlp3d_core.model.export_monai import export_monai
from vlp3d_core.model.export_onnx import export_onnx
from vlp3d_core.model.export_parts import TOLERANCE
from vlp3d_core.model.install import candidate
from vlp3d_core.model.vision_language import voxel_scores
from vlp3d_core.predict.loaded import load_model
from vlp3d_core.volume import Volume
from vlp3d_core.volume.write_image import write_volume


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def monai_folder(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a MONAI bundle."""
    out = tmp_path_factory.mktemp("monai") / "tiny mödel"
    assert export_monai(read_bundle(tiny_bundle), out) <= TOLERANCE
    return out


def test_a_zip_that_is_taken_again(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "user_data_path", lambda *args, **kwargs: tmp_path / "user")
    export_bundle(bundle, tmp_path / "tiny ä.zip")
    with candidate(tmp_path / "tiny ä.zip") as found:
        installed = found.install()
    assert installed.card == bundle.card
    assert installed.weights.read_bytes() == bundle.weights.read_bytes()


def test_a_zip_is_called_one_and_holds_whole_weights(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.zip"):
        export_bundle(bundle, tmp_path / "tiny.tar")
    torn = write_tiny_bundle(tmp_path / "torn")
    torn.weights.write_bytes(b"x" * torn.card["weights"]["bytes"])
    with pytest.raises(MedVLPError, match="SHA-256"):
        export_bundle(torn, tmp_path / "torn.zip")
    assert not (tmp_path / "torn.zip").exists()


def parsed(folder: Path) -> ConfigParser:
    """The bundle as MONAI reads it."""
    parser = ConfigParser()
    parser.read_config(folder / "configs" / "inference.json")
    parser.read_meta(folder / "configs" / "metadata.json")
    parser["bundle_root"] = str(folder)
    parser["device"] = "cpu"
    return parser


def labels_by_monai(folder: Path, image: Path) -> NDArray[np.generic]:
    """What MONAI's own code makes of a file with the bundle's preprocessing, network, inferer and postprocessing."""
    parser = parsed(folder)
    del parser["postprocessing"]["transforms"][-2:]  # back to the file's grid, and saving
    item = parser.get_parsed_content("preprocessing")({"image": str(image)})
    network, inferer = parser.get_parsed_content("network"), parser.get_parsed_content("inferer")
    with torch.no_grad():
        pred = inferer(item["image"][None], network)[0]
    done: Any = parser.get_parsed_content("postprocessing")({"pred": pred})["pred"]
    assert isinstance(done, MetaTensor)
    return done[0].numpy().astype(np.uint8)


def test_monai_gives_the_labels_of_segment(
    monai_folder: Path, tiny_bundle: Path, toy_head: Volume, tmp_path: Path
) -> None:
    write_volume(toy_head, tmp_path / "head.nii.gz")
    wanted = load_model(tiny_bundle, "cpu").segment(toy_head).labels
    assert len(np.unique(wanted)) == 8
    np.testing.assert_array_equal(labels_by_monai(monai_folder, tmp_path / "head.nii.gz"), wanted)


def test_the_scores_in_the_script_are_the_models(monai_folder: Path, tiny_bundle: Path) -> None:
    model = load_model(tiny_bundle, "cpu").ready
    script = parsed(monai_folder).get_parsed_content("network")
    image = torch.rand((1, 1, 6, 10, 8), generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        scores = voxel_scores(model.network.embed(image), model.queries)
        given = script(image)
    assert given.shape == (1, 8, 6, 10, 8) and not given[:, 0].any()
    torch.testing.assert_close(given[:, 1:], scores, rtol=0, atol=TOLERANCE)


def test_the_metadata(monai_folder: Path) -> None:
    meta = json.loads((monai_folder / "configs" / "metadata.json").read_text(encoding="utf-8"))
    required = {
        "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task",
        "description", "authors", "copyright", "network_data_format", "schema", "changelog",
    }  # fmt: skip
    assert required <= set(meta)
    pred = meta["network_data_format"]["outputs"]["pred"]
    assert pred["num_channels"] == len(pred["channel_def"]) == 8
    assert pred["channel_def"]["0"] == "background" and pred["channel_def"]["4"] == "brainstem"
    image = meta["network_data_format"]["inputs"]["image"]
    assert (image["num_channels"], image["modality"], image["spatial_shape"]) == (1, "CT", ["2*n"] * 3)
    assert "Apache-2.0" in (monai_folder / "LICENSE").read_text(encoding="utf-8")
    assert "# Tiny CT" in (monai_folder / "docs" / "README.md").read_text(encoding="utf-8")


def test_percentiles_are_not_monais(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "m", normalisation={"kind": "percentile", "low": 1, "high": 99})
    with pytest.raises(MedVLPError, match="percentiles"):
        export_monai(bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("export", [export_monai, export_onnx])
def test_a_folder_that_is_there_is_left_alone(export: Any, bundle: Bundle, tmp_path: Path) -> None:
    if export is export_onnx and any(importlib.util.find_spec(name) is None for name in onnx_module.NEEDED):
        pytest.skip("the extra [export] is missing")
    (tmp_path / "mine").write_text("a thesis")
    with pytest.raises(UsageError, match="exists already"):
        export(bundle, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


@pytest.fixture(scope="module")
def onnx_folder(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as ONNX; made once, since the exporter takes its time."""
    if any(importlib.util.find_spec(name) is None for name in onnx_module.NEEDED):
        pytest.skip("the extra [export] is missing")
    out = tmp_path_factory.mktemp("onnx") / "tiny ä"
    assert export_onnx(read_bundle(tiny_bundle), out) <= TOLERANCE
    return out


def test_onnx(onnx_folder: Path, bundle: Bundle) -> None:
    """What `model.json` says must be enough: numpy and onnxruntime alone give the scores of the model."""
    import onnxruntime

    about = json.loads((onnx_folder / "model.json").read_text(encoding="utf-8"))
    paths = [str(onnx_folder / f"{name}.onnx") for name in ("encoder", "decoder")]
    encoder, decoder = (onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in paths)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 1, 10, 4, 14)).astype(np.float32)  # a shape of its own
    maps = encoder.run(None, {"image": image})
    (embeddings,) = decoder.run(None, {item.name: m for item, m in zip(decoder.get_inputs(), maps, strict=True)})
    queries = np.array([row["query"] for row in about["structures"]], np.float32)
    scores = np.einsum("kd,bdijz->bkijz", queries[:, :-1], embeddings) + queries[:, -1, None, None, None]
    model = load_model(bundle.folder, "cpu").ready
    with torch.no_grad():
        wanted = voxel_scores(model.network.embed(torch.from_numpy(image)), model.queries).numpy()
    np.testing.assert_allclose(scores, wanted, atol=0.01)
    assert ((scores > 0) == (wanted > 0)).mean() > 0.999
    with np.load(onnx_folder / "projection.npz") as part:
        vector = np.array(about["structures"][2]["text_vector"], np.float32)
        spread = (vector - part["text_mean"]) @ part["text_basis"]
        again = part["projection_weight"] @ spread + part["projection_bias"]
    np.testing.assert_allclose(again, queries[2], rtol=1e-4, atol=1e-4)
    assert (about["spacing"], about["normalisation"]["high"], about["stride"]) == ([4, 4, 4], 1000, 2)


def test_an_export_that_differs_fails(onnx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the tiny model in the place of those of a model with another bias."""
    network, vectors = tiny_network()
    with torch.no_grad():
        network.decoder.embed.bias.fill_(0.01)
    other = write_bundle(tmp_path / "other", network, vectors, tiny_card())

    def copied(network: Any, folder: Path) -> None:
        for name in ("encoder.onnx", "decoder.onnx"):
            shutil.copy(onnx_folder / name, folder / name)

    monkeypatch.setattr(onnx_module, "_write", copied)
    with pytest.raises(MedVLPError, match="differ from PyTorch's"):
        export_onnx(other, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


def test_without_onnxruntime(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_module, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(MedVLPError, match="onnxruntime is not installed") as caught:
        export_onnx(bundle, tmp_path / "out")
    assert "[export]" in caught.value.remedy
