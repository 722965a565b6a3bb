"""A model as a MONAI bundle: a folder that `monai.bundle` reads and runs without a line of ours.

MONAI's specification: https://docs.monai.io/en/stable/mb_specification.html. The network is TorchScript, with the
queries of its structures built in.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import Bundle, load_network
from vlp3d_core.model.card_page import card_page
from vlp3d_core.model.export_bundle import new_folder
from vlp3d_core.model.export_parts import TOLERANCE, FixedQueries, trial_images

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
LEFT_BEHIND = """
## As a MONAI bundle

`models/model.ts` gives background (always 0) and one score a structure; the largest is the label, and the sigmoid of
a score divided by the temperature (see above; 1 where none is named) is its probability. What `vlp3d segment` does
beyond that is not in this bundle: nothing is reported where none of the anchors is found, structures below their
least volume are dropped, a structure on the wrong side of its twin is dropped, and air is cut away beforehand.
"""


def export_monai(bundle: Bundle, out: Path) -> float:
    """Write a MONAI bundle into the new folder `out`; returns the largest difference of its scores to the original's.

    Raises:
        UsageError: `out` exists.
        MedVLPError: normalisation by percentiles, which MONAI does otherwise; an encoder that cannot be traced for all
            sizes; damaged weights; a folder that cannot be written.
    """
    if bundle.card["normalisation"]["kind"] != "window":
        raise MedVLPError(
            f"{bundle.name} takes percentiles of the voxels above background, which no transform of MONAI does.",
            "Export it with --format bundle or onnx.",
        )
    network, vectors = load_network(bundle)
    model = FixedQueries(network, network.queries(vectors)).eval().requires_grad_(False)
    with new_folder(out) as folder:
        for name in ("configs", "models", "docs"):
            (folder / name).mkdir()
        difference = _write_script(model, network.stride, folder / "models" / "model.ts", bundle.name)
        _write_json(folder / "configs" / "metadata.json", _metadata(bundle, network.stride))
        _write_json(folder / "configs" / "inference.json", _inference(bundle, network.stride))
        (folder / "docs" / "README.md").write_text(card_page(bundle) + LEFT_BEHIND, encoding="utf-8")
        (folder / "LICENSE").write_text(_licence(bundle), encoding="utf-8")
    return difference


def _write_script(model: FixedQueries, stride: int, path: Path, name: str) -> float:
    images = list(trial_images(stride))
    cause: RuntimeError | None = None
    with warnings.catch_warnings(), torch.no_grad():
        # TorchScript is no longer developed; MONAI's bundles are made of it all the same.
        warnings.simplefilter("ignore")
        try:
            torch.jit.trace(model, images[0], check_trace=False).save(str(path))
            script = torch.jit.load(str(path), map_location="cpu")
            difference = max(float((script(image) - model(image)).abs().max()) for image in images)
        except RuntimeError as error:
            difference, cause = float("inf"), error
    if not difference <= TOLERANCE:
        raise MedVLPError(
            f"The encoder of {name} cannot be written as TorchScript that holds for every size of image.",
            "Export it with --format bundle.",
        ) from cause
    return difference


def _metadata(bundle: Bundle, stride: int) -> dict[str, Any]:
    card = bundle.card
    names = ["background", *bundle.concepts]
    # "n" of MONAI's specification: any multiple of the stride.
    patch: dict[str, Any] = {"spatial_shape": [f"{stride}*n"] * 3, "dtype": "float32", "is_patch_data": True}
    image: dict[str, Any] = {"type": "image", "format": "hounsfield" if card["modality"] == "CT" else "magnitude"}
    image |= {"modality": card["modality"], "num_channels": 1, **patch, "value_range": [-1, 1]}
    pred = {"type": "image", "format": "segmentation", "num_channels": len(names), **patch, "value_range": []}
    return {
        "schema": SCHEMA,
        "version": card["version"],
        "changelog": {card["version"]: "exported by vlp3d models export"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"nibabel": version("nibabel"), "scipy": version("scipy")},
        "name": bundle.name,
        "task": card["title"],
        "description": card["description"],
        "authors": "see docs/README.md",
        "copyright": f"Licence: {card['licence']}",
        "data_source": _data(card),
        "data_type": "volumes",
        "intended_use": "For research. Not a medical device, not for diagnosis.",
        "network_data_format": {
            "inputs": {"image": {**image, "channel_def": {"0": "image"}}},
            "outputs": {"pred": {**pred, "channel_def": {str(n): name for n, name in enumerate(names)}}},
        },
    }


def _inference(bundle: Bundle, stride: int) -> dict[str, Any]:
    window = bundle.card["normalisation"]
    edge = -(-96 // stride) * stride
    image = {"keys": "image"}
    return {
        "imports": ["$import glob", "$import torch"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "dataset_dir": "/workspace/data",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": "torch.jit.load",
            "f": "$@bundle_root + '/models/model.ts'",
            "map_location": "@device",
        },
        "network": "$@network_def.eval()",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", **image},
                {"_target_": "EnsureChannelFirstd", **image},
                {"_target_": "Orientationd", **image, "axcodes": "RAS"},
                {"_target_": "Spacingd", **image, "pixdim": list(bundle.spacing), "mode": "bilinear"},
                {
                    "_target_": "ScaleIntensityRanged",
                    **image,
                    "a_min": window["low"],
                    "a_max": window["high"],
                    "b_min": -1.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {"_target_": "EnsureTyped", **image},
            ],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': i} for i in @datalist]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": False},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [edge] * 3,
            "sw_batch_size": 1,
            "overlap": 0.5,
            "padding_mode": "constant",
            "cval": -1.0,
        },
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(bundle)},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@evaluator.run()"],
    }


def _postprocessing(bundle: Bundle) -> list[dict[str, Any]]:
    pred = {"keys": "pred"}
    rules = list(enumerate(bundle.card["concepts"], 1))
    largest = [value for value, rule in rules if rule.get("largest_component")]
    filled = [value for value, rule in rules if rule.get("fill_holes")]
    steps: list[dict[str, Any]] = [
        {"_target_": "Activationsd", **pred, "softmax": True},
        {"_target_": "AsDiscreted", **pred, "argmax": True},
    ]
    if largest:
        steps.append(
            {"_target_": "KeepLargestConnectedComponentd", **pred, "applied_labels": largest, "connectivity": 1}
        )
    if filled:
        steps.append({"_target_": "FillHolesd", **pred, "applied_labels": filled, "connectivity": 1})
    inverse = {"transform": "@preprocessing", "orig_keys": "image", "nearest_interp": True, "to_tensor": True}
    return [
        *steps,
        {"_target_": "Invertd", **pred, **inverse},
        {"_target_": "SaveImaged", **pred, "output_dir": "@output_dir", "output_postfix": "seg"},
    ]


def _data(card: dict[str, Any]) -> str:
    return "; ".join(f"{item['name']} ({item['licence']})" for item in card["data"])


def _licence(bundle: Bundle) -> str:
    path = bundle.folder / "LICENSE"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    # The licence comes first: it is what is shown where the bundle is added.
    return f"{bundle.card['licence']}\n\nThe licence of the model {bundle.name}. Data: {_data(bundle.card)}\n"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
