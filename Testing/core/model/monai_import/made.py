"""A MONAI bundle as its model zoo writes them: two bands of HU as TorchScript."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.model.install import candidate


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


def add(source: Path, name: str | None = None) -> Bundle:
    with candidate(source, name) as found:
        return found.install()
