"""A model as ONNX: encoder and decoder for images of any size, and a JSON file with all that is needed around them."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.bundle import Bundle, load_network
from vlp3d_core.model.export_bundle import new_folder
from vlp3d_core.model.export_parts import TOLERANCE, DecoderPart, EncoderPart, trial_images
from vlp3d_core.model.vision_language import VisionLanguageModel

NEEDED = ("onnx", "onnxscript", "onnxruntime")
ENCODER, DECODER, ABOUT = "encoder.onnx", "decoder.onnx", "model.json"
HOW = (
    "Resample to `spacing` (mm along R, A, S; axes along R, A, S), map intensities to [-1, 1] by `normalisation` "
    "and clip, pad with -1 to multiples of `stride`. encoder.onnx: image (1, 1, I, J, K) to feature maps; "
    "decoder.onnx: feature maps to embeddings (1, D, I, J, K). score[k] = embeddings . query[k][:D] + "
    "query[k][D]; the sigmoid of score / `temperature` is the probability; the structure with the highest score "
    "above 0 is the label, else background. Of another text with the vector t (unit length, from `text_encoder`) the "
    "query is W ((t - m) B) + c with `text_mean` m, `text_basis` B, `projection_weight` W and `projection_bias` c in "
    "projection.npz."
)


def export_onnx(bundle: Bundle, out: Path) -> float:
    """Write `encoder.onnx`, `decoder.onnx`, `model.json` and `projection.npz` into the new folder `out`.

    Both networks are run by onnxruntime on images of two shapes and held against PyTorch.

    Returns:
        The largest difference of any voxel's embedding to PyTorch's, at most `TOLERANCE`.

    Raises:
        UsageError: `out` exists.
        MedVLPError: onnx, onnxscript or onnxruntime are missing; the encoder cannot be exported; the outputs differ.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MedVLPError(
            f"The Python package {missing[0]} is not installed, without which no ONNX is written or checked.",
            '`pip install "vlp3d-core[export]"` installs it.',
        )
    network, vectors = load_network(bundle)
    # ONNX has no layout of its own; the exporter would keep a transposition a layer.
    network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with new_folder(out) as folder:
        try:
            with _quiet(), torch.no_grad():
                _write(network, folder)
        except Exception as error:  # the exporter raises many kinds; all of them mean the same here
            cause = f"The network of {bundle.name} cannot be written as ONNX ({type(error).__name__})."
            raise MedVLPError(cause, "Export it with --format bundle.") from error
        difference = _compare(network, folder)
        if not difference <= TOLERANCE:
            cause = (
                f"The ONNX networks of {bundle.name} differ from PyTorch's by {difference:.2g} (allowed: {TOLERANCE})."
            )
            raise MedVLPError(cause, "Nothing was written; try other versions of torch and onnxruntime.")
        _describe(bundle, network, vectors, difference, folder)
    return difference


def _write(network: VisionLanguageModel, folder: Path) -> None:
    image = next(trial_images(network.stride))
    features = tuple(network.encoder(image))
    anywhere = dict.fromkeys((2, 3, 4), Dim.AUTO)
    names = [f"features{n}" for n in range(len(features))]
    _export(EncoderPart(network), (image,), (anywhere,), ["image"], names, folder / ENCODER)
    shapes = (tuple(anywhere for _ in features),)
    _export(DecoderPart(network), features, shapes, names, ["embeddings"], folder / DECODER)


def _export(
    part: nn.Module, inputs: tuple[Tensor, ...], shapes: Any, taken: list[str], given: list[str], path: Path
) -> None:
    torch.onnx.export(
        part.eval(),
        inputs,
        str(path),
        input_names=taken,
        output_names=given,
        dynamic_shapes=shapes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _compare(network: VisionLanguageModel, folder: Path) -> float:
    """Largest difference of feature maps and embeddings; infinite where onnxruntime refuses a shape."""
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    encoder = onnxruntime.InferenceSession(str(folder / ENCODER), providers=providers)
    decoder = onnxruntime.InferenceSession(str(folder / DECODER), providers=providers)
    names = [item.name for item in decoder.get_inputs()]
    worst = 0.0
    for image in trial_images(network.stride):
        with torch.no_grad():
            features = network.encoder(image)
            wanted = [*features, network.decoder(features)]
        try:
            maps = encoder.run(None, {"image": image.numpy()})
            given = [*maps, *decoder.run(None, dict(zip(names, maps, strict=True)))]
        except Exception:  # onnxruntime's exceptions have no common base but this one
            return float("inf")
        pairs = zip(given, wanted, strict=True)
        worst = max(worst, *(float(np.abs(a - b.numpy()).max()) if a.shape == b.shape else np.inf for a, b in pairs))
    return worst


def _describe(bundle: Bundle, network: VisionLanguageModel, vectors: Tensor, difference: float, folder: Path) -> None:
    card = bundle.card
    structures = [
        {"id": name, "query": query, "text_vector": vector}
        for name, query, vector in zip(
            bundle.concepts, network.queries(vectors).tolist(), vectors.float().tolist(), strict=True
        )
    ]
    about = {key: card[key] for key in ("name", "version", "title", "description", "licence", "modality", "field")}
    about |= {
        "how": HOW,
        "spacing": list(bundle.spacing),
        "normalisation": card["normalisation"],
        "temperature": bundle.temperature,
        "stride": network.stride,
        "dimension": network.dimension,
        "structures": structures,
        "text_encoder": card["text_encoder"],
        "difference_to_pytorch": difference,
        "data": card["data"],
        "limits": card.get("limits", []),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    np.savez(
        folder / "projection.npz",
        text_mean=network.text_mean.numpy(),
        text_basis=network.text_basis.numpy(),
        projection_weight=network.projection.weight.numpy(),
        projection_bias=network.projection.bias.numpy(),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on torchvision and on torch's own deprecated calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
