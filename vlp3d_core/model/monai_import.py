"""A MONAI bundle of a segmentation network becomes a bundle of ours: a card made from its configs, and its weights.

No torch is needed and nothing of the bundle is run: TorchScript is read as text, weights are copied. `models/model.pt`
is a pickle and is never opened, with `weights_only` neither: that is a filter inside an unpickler, which had holes.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import sha256_of
from vlp3d_core.model.bundle import WEIGHTS, write_card
from vlp3d_core.model.monai_config import Config, target_of
from vlp3d_core.model.monai_transforms import Postprocessing, postprocessing_of, preprocessing_of
from vlp3d_core.model.networks import CLOSED_SET, SCRIPT, check_arguments, check_script, stride_of
from vlp3d_core.model.unpack import Package, free_for
from vlp3d_core.text.concepts import concepts

METADATA = "configs/metadata.json"
SCRIPT_FILE, TENSORS_FILE, PICKLE = "models/model.ts", "models/model.safetensors", "models/model.pt"
CUSTOM = "custom_"
MODALITIES = {"CT": "CT", "MR": "MR", "MRI": "MR", "PT": "PT", "PET": "PT"}
CORRECT = "Ask whoever made the bundle for a correct one."
CONVERT = (
    "If you trust it, write models/model.safetensors in an environment of your own: "
    "safetensors.torch.save_file(torch.load('model.pt', weights_only=True), 'model.safetensors'). "
    "Or use models/model.ts."
)
OVERLAP = (
    "This network judges structures independently (sigmoid). One voxel has one label here: where structures overlap or "
    "contain each other, the most probable one is shown."
)


def convert(files: Package, new: Path, name: str | None) -> tuple[int, tuple[str, ...]]:
    """Write card and weights into `new`; returns their bytes and what the user should know.

    Raises:
        MedVLPError: something in the bundle is not plain, not known, or not there; it is named.
    """
    configs = new.parent / "configs"
    inference = next(
        (f"configs/inference.{e}" for e in ("json", "yaml", "yml") if f"configs/inference.{e}" in files), None
    )
    if inference is None:
        raise MedVLPError(f"{files.source} has no configs/inference.json.", CORRECT)
    files.copy([METADATA, inference], configs)
    meta, config = Config(configs / METADATA), Config(configs / inference)
    # Weights first, by what is there: their kind decides what must stand in the config.
    weights, architecture = _network(files, config, new)
    image, classes = _format(meta)
    before = preprocessing_of(config.plain(_steps(config, "preprocessing"), "preprocessing"))
    after = postprocessing_of(_processing(config))
    structures, background = _structures(classes, after)
    notes = [OVERLAP] if after.activation == "sigmoid" and len(structures) > 1 else []
    custom = [row["name"] for row in structures if "name" in row]
    if custom:
        notes.append(f"Without a known meaning, found by exactly this name only: {', '.join(custom)}.")
    if weights.name == "model.ts" and "stride" not in architecture:
        architecture["stride"] = _stride(image)
    architecture |= {
        "activation": after.activation,
        "classes": len(classes),
        "channels": [row.pop("channel") for row in structures],
        "background": 0 if background is None else background,
        "input": list(before.given),
    }
    size = files.copy([c for c in ("LICENSE",) if c in files], new)
    content = weights.stat().st_size
    card = _about(meta, new, name or files.source.stem, image) | {
        "format": 1,
        "architecture": architecture,
        "spacing": list(before.spacing),
        "normalisation": {"kind": "window", "low": before.window[0], "high": before.window[1]},
        "concepts": structures,
        "weights": {"file": weights.name, "sha256": sha256_of(weights), "bytes": content},
    }
    write_card(new, card)
    return size + content, tuple(notes)


def _network(files: Package, config: Config, new: Path) -> tuple[Path, dict[str, Any]]:
    if SCRIPT_FILE in files:
        free_for(new.parent, files.sizes[PurePosixPath(SCRIPT_FILE)])
        files.copy([SCRIPT_FILE], new.parent)
        new.mkdir(exist_ok=True)
        path = (new.parent / SCRIPT_FILE).rename(new / "model.ts")
        check_script(path)
        return path, {"kind": CLOSED_SET, "network": SCRIPT, "arguments": {}}
    if TENSORS_FILE not in files:
        if PICKLE in files:
            raise MedVLPError(f"{files.source} has its weights as a pickle ({PICKLE}), which is never opened.", CONVERT)
        raise MedVLPError(f"{files.source} has no weights: neither {SCRIPT_FILE} nor {TENSORS_FILE} is in it.", CORRECT)
    definition = config.get("network_def")
    if not isinstance(definition, dict):
        raise MedVLPError(f"{config.name} has no network_def.", CORRECT)
    network = target_of(definition)
    arguments = {key: value for key, value in definition.items() if not key.startswith("_")}
    check_arguments(network, arguments)
    if arguments.get("spatial_dims", 3) != 3 or arguments.get("in_channels") != 1:
        raise MedVLPError(f"{network} is not for volumes of one channel.", "Only such models can be added.")
    free_for(new.parent, files.sizes[PurePosixPath(TENSORS_FILE)])
    files.copy([TENSORS_FILE], new.parent)
    new.mkdir(exist_ok=True)
    path = (new.parent / TENSORS_FILE).rename(new / WEIGHTS)
    stride = stride_of(network, arguments)
    return path, {"kind": CLOSED_SET, "network": network, "arguments": arguments, "stride": stride}


def _steps(config: Config, key: str) -> Any:
    if key not in config.data:
        raise MedVLPError(f"{config.name} has no {key}.", CORRECT)
    return config.data[key]


# Arguments of the transforms that go back to the file: how results are written is decided here, not by the bundle.
_NOT_READ = {"Invertd", "SaveImaged"}


def _processing(config: Config) -> Any:
    value = _steps(config, "postprocessing")
    if isinstance(value, dict) and isinstance(value.get("transforms"), list):
        steps = [{"_target_": s["_target_"]} if target_of(s) in _NOT_READ else s for s in value["transforms"]]
        value = {**value, "transforms": steps}
    return config.plain(value, "postprocessing")


def _format(meta: Config) -> tuple[dict[str, Any], dict[int, str]]:
    """The description of the input, and channel → name of the output."""
    data = meta.get("network_data_format")
    try:
        image, pred = data["inputs"]["image"], data["outputs"]["pred"]
        classes = {int(number): str(word).strip() for number, word in pred["channel_def"].items()}
        channels = image["num_channels"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MedVLPError(f"{meta.name} does not describe one image and one pred with channel_def.", CORRECT) from error
    if channels != 1:
        raise MedVLPError(f"The model wants {channels} channels.", "Only models for one volume can be added.")
    if sorted(classes) != list(range(len(classes))) or not 1 <= len(classes) <= 1000:
        raise MedVLPError(f"{meta.name} does not name every channel of pred once.", CORRECT)
    return image, classes


def _structures(classes: dict[int, str], after: Postprocessing) -> tuple[list[dict[str, Any]], int | None]:
    """Rows of the card, with the channel of each; and the channel of background."""
    background = next((n for n, word in classes.items() if word.casefold() in ("background", "bg")), None)
    if after.activation == "softmax" and background != 0:
        raise MedVLPError("Channel 0 of pred is not background.", "Only such models can be added.")
    rows: list[dict[str, Any]] = []
    for number, word in sorted(classes.items()):
        if number == background:
            continue
        # Labels in the postprocessing are those of argmax: the channel's number.
        row = {"largest_component": after.largest is None or number in after.largest}
        row["fill_holes"] = after.filled is None or number in after.filled
        rows.append({**_concept(word), **row, "channel": number})
    ids = [row["id"] for row in rows]
    if len(set(ids)) < len(ids) or not rows:
        raise MedVLPError("Two channels of pred have one name, or none is a structure.", CORRECT)
    return rows, background


def _concept(word: str) -> dict[str, Any]:
    """The concept that a channel's name means, or a structure of the model's own with that name."""
    key = re.sub(r"[^a-z0-9]+", "_", word.casefold()).strip("_")
    known = _names().get(" ".join(word.replace("_", " ").casefold().split()))
    if known:
        return {"id": known}
    if not key:
        raise MedVLPError(f"The channel name {word[:60]!r} names nothing.", CORRECT)
    return {
        "id": CUSTOM + key[:60],
        "name": " ".join("".join(c if c.isprintable() else " " for c in word).split())[:80],
    }


@cache
def _names() -> dict[str, str]:
    """Name or synonym → concept id. Not the prompt parser, which forgives: to it an enhancing tumor is a tumor."""
    found: dict[str, set[str]] = {}
    for concept in concepts().values():
        side = f"{concept.side} " if concept.side else ""
        for phrase in (concept.name, concept.id.replace("_", " "), *(side + word for word in concept.synonyms)):
            found.setdefault(phrase.casefold(), set()).add(concept.id)
    return {phrase: min(ids) for phrase, ids in found.items() if len(ids) == 1}


def _stride(image: dict[str, Any]) -> int:
    """From `spatial_shape` of the metadata ("16*n"); 32, which suits most networks, where it does not say."""
    shape = image.get("spatial_shape")
    found = [
        re.fullmatch(r"\s*(\d{1,3})\s*\*\s*n\s*", str(edge)) for edge in (shape if isinstance(shape, list) else [])
    ]
    steps = [int(match[1]) for match in found if match]
    return max(1, min(64, *steps)) if len(steps) == 1 else max([s for s in steps if 1 <= s <= 64], default=32)


def _about(meta: Config, new: Path, name: str, image: dict[str, Any]) -> dict[str, Any]:
    """What a card says of a model besides its network."""
    words = {key: str(meta.get(key) or "") for key in ("version", "task", "description", "copyright", "data_source")}
    modality = MODALITIES.get(str(image.get("modality")).upper())
    if modality is None:
        raise MedVLPError(
            f"{meta.name} says the modality {str(image.get('modality'))[:40]!r}.", "CT, MR and PT can be used."
        )
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.casefold()).strip("-._")[:64] or "monai-model"
    licence = new / "LICENSE"
    lines = licence.read_text(encoding="utf-8", errors="replace").split("\n") if licence.is_file() else []
    first = next((" ".join(line.split()) for line in lines if line.strip()), "")
    return {
        "name": slug,
        "version": words["version"] or "unknown",
        "title": words["task"] or slug,
        "description": words["description"],
        "licence": first[:120] or "not stated (no LICENSE in the bundle)",
        "modality": modality,
        "field": {"anchors": []},
        "data": [{"name": words["data_source"] or "not stated", "licence": "not stated"}],
        "limits": [
            "From a MONAI bundle: it knows its own classes and no other text. What it reached was not measured here.",
        ],
        "recipe": {"command": "imported from a MONAI bundle", "seed": 0},
        "scores": {},
        "text_encoder": {"name": "none", "sha256": ""},
    }
