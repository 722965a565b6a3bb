"""Captions by an image-to-text model of transformers, from axial slices. Nothing leaves this computer.

BLIP-type captioners, vision-encoder-decoders and chat models are one Auto class (AutoModelForImageTextToText). GTGM
(arXiv 2306.04811) takes BLIP on one axial slice, without a prompt, up to 50 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.captioning.maker import Left, Made, MakerStopped
from vlp3d_core.train.captioning.slices import axial_slices
from vlp3d_core.train.captioning.tidy import as_sentence, has_words, tidy
from vlp3d_core.train.captioning.vlm_folder import find_folder, fingerprint
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.volume import Volume

TOKENS = 50
ASKED = "Describe this medical image in one sentence."
"""What a chat model is asked without a prompt: it does not begin by itself."""
SILENT = "the model said nothing about its slices (try another --prompt, or more --slices)"


class VlmMaker:
    """One text a slice, one after the other; the same text is said once. Greedy, so every run says the same.

    Args:
        model: a folder as transformers writes it, or a name on the Hugging Face hub.
        slices: how many axial slices are described, spread through the body.
        prompt: for a chat model the question; for others the beginning of the caption, which stays in it.
        tokens: the most word pieces that are written about a slice.
        download: fetch the model from the hub where it is not here.

    Raises:
        UsageError: there is no such model, or it takes no prompt.
        MedVLPError: it cannot be opened without running code, or is no image-to-text model.
    """

    name = "vlm"

    def __init__(
        self, model: str, slices: int = 1, prompt: str = "", tokens: int = TOKENS, download: bool = False
    ) -> None:
        folder = find_folder(model, download)
        self._slices, self._tokens = slices, tokens
        self._model, self._processor, self._tokenizer = _open(folder, model)
        if prompt and self._tokenizer is not getattr(self._processor, "tokenizer", None):
            raise UsageError(f"{model} takes images alone, and no prompt.", "Leave --prompt away.")
        self._chats = bool(getattr(self._processor, "chat_template", None))
        self._prompt = prompt or (ASKED if self._chats else "")
        self.version = f"{folder.resolve().name if Path(model).is_dir() else model} {fingerprint(folder)}"
        settings = {"prompt": self._prompt, "slices": str(slices), "tokens": str(tokens)}
        self.settings: Mapping[str, str] = {key: value for key, value in settings.items() if value}

    def caption(self, case: Case, volume: Volume | None = None) -> Made | Left:
        """See `CaptionMaker`."""
        shown = axial_slices(volume or read_volume(case.image, modality=case.modality or None), self._slices)
        texts = [tidy(self._say(image)) for image in shown.images]
        said = dict.fromkeys(as_sentence(" ".join(text.split())) for text in texts if has_words(text))
        return Made(" ".join(said), shown.crop) if said else Left(SILENT)

    def _say(self, image: NDArray[np.uint8]) -> str:
        """What the model says about one picture, shape (rows, columns)."""
        import torch

        try:
            inputs = self._inputs(image).to(self._model.device, self._model.dtype)
            with torch.inference_mode():
                out = self._model.generate(**inputs, max_new_tokens=self._tokens, do_sample=False, num_beams=1)
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" in str(error):
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise MakerStopped(
                f"The model {self.version} cannot describe an image: {reason}.",
                "Try it without --prompt, or choose another model.",
            ) from error
        asked = inputs.get("input_ids")
        if self._chats and asked is not None and torch.equal(out[:, : asked.shape[1]], asked):
            out = out[:, asked.shape[1] :]  # models without an encoder repeat the question
        return str(self._tokenizer.decode(out[0], skip_special_tokens=True))

    def _inputs(self, image: NDArray[np.uint8]) -> Any:
        from PIL import Image

        picture = Image.fromarray(image).convert("RGB")
        if self._chats:
            content = [{"type": "image", "image": picture}, {"type": "text", "text": self._prompt}]
            return self._processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        text = {"text": self._prompt} if self._prompt else {}
        return self._processor(images=picture, return_tensors="pt", **text)


def _open(folder: Path, name: str) -> tuple[Any, Any, Any]:
    """Model on the best device, processor and tokenizer; from safetensors only, without code of the model's own."""
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

    from vlp3d_core.model.devices import choose_device
    from vlp3d_core.text.encoder import quiet_transformers

    safe = {"local_files_only": True, "trust_remote_code": False}
    device = choose_device()
    with quiet_transformers():
        try:
            # Pillow does what transformers would otherwise want torchvision for.
            processor = AutoProcessor.from_pretrained(folder, backend="pil", **safe)
            if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
                # Vision-encoder-decoders have an image processor and a tokenizer side by side.
                processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **safe)
                tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
            else:
                tokenizer = processor.tokenizer
            model = AutoModelForImageTextToText.from_pretrained(folder, use_safetensors=True, dtype="auto", **safe)
        except Exception as error:  # transformers raises many kinds, from OSError to its parsers' own
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MedVLPError(
                f"{name} cannot be loaded as an image-to-text model: {reason.rstrip('.')}.",
                "Choose a model of the kind image-to-text that transformers knows by itself.",
            ) from error
    # Half precision as stored is for graphics cards; processors without it would be slow or refuse.
    model = model.to(device.torch) if device.kind == "cuda" else model.float().to(device.torch)
    return model.eval(), processor, tokenizer
