"""Real image-to-text models with a few thousand random weights, as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "<image>")
WORDS = [
    *SPECIAL,
    *("figure", "1", "2", ":", ".", "the", "liver", "kidney", "left", "right", "is", "seen", "axial", "ct", "image"),
    *("of", "large", "small", "what", "shows"),
]
EDGE = 32


def write_blip(folder: Path, seed: int = 0, says: str = "") -> Path:
    """A BLIP captioner. `says`: its output layer is set so that it repeats these words, in order, whatever it sees."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BlipConfig(
        text_config={
            **small,
            "vocab_size": len(WORDS),
            "encoder_hidden_size": 32,
            "max_position_embeddings": 64,
            "bos_token_id": WORDS.index("[DEC]"),
            "sep_token_id": WORDS.index("[SEP]"),
            "eos_token_id": WORDS.index("[SEP]"),
            "pad_token_id": 0,
            "initializer_range": 0.5,
        },
        vision_config={**small, "image_size": EDGE, "patch_size": 16, "initializer_range": 0.5},
    )
    torch.manual_seed(seed)
    model = BlipForConditionalGeneration(config).eval()
    if says:
        _teach(model, ["[DEC]", *says.split(), "[SEP]"])
    model.save_pretrained(folder)
    images = BlipImageProcessorPil(size={"height": EDGE, "width": EDGE})
    BlipProcessor(images, _tokenizer(folder)).save_pretrained(folder)
    return folder


def write_encoder_decoder(folder: Path) -> Path:
    """ViT and GPT-2, with image processor and tokenizer side by side and no processor of their own."""
    from transformers import GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = ViTConfig(**small, image_size=EDGE, patch_size=16)
    text = GPT2Config(
        vocab_size=len(WORDS), n_positions=64, n_embd=32, n_layer=1, n_head=2, initializer_range=0.5,
        bos_token_id=WORDS.index("[DEC]"), eos_token_id=WORDS.index("[SEP]"),
    )  # fmt: skip
    torch.manual_seed(0)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(vision, text)
    config.decoder_start_token_id, config.pad_token_id = WORDS.index("[DEC]"), 0
    model = VisionEncoderDecoderModel(config=config)
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": EDGE, "width": EDGE}).save_pretrained(folder)
    _tokenizer(folder).save_pretrained(folder)
    return folder


def write_chat(folder: Path) -> Path:
    """LLaVA with a chat template: it repeats the question's tokens before the answer."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**small, image_size=EDGE, patch_size=16, projection_dim=32),
        text_config=LlamaConfig(**small, vocab_size=len(WORDS), bos_token_id=2, eos_token_id=3, initializer_range=0.5),
        image_token_index=WORDS.index("<image>"),
        vision_feature_layer=-1,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.save_pretrained(folder)
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    images = CLIPImageProcessorPil(
        size={"height": EDGE, "width": EDGE}, crop_size={"height": EDGE, "width": EDGE}, do_center_crop=True
    )
    LlavaProcessor(
        images, _tokenizer(folder), patch_size=16, vision_feature_select_strategy="default", chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def _tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizer

    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS), encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(vocabulary))
    tokenizer.add_special_tokens({"additional_special_tokens": ["[DEC]", "<image>"]})
    return tokenizer


def _teach(model: Any, words: list[str]) -> None:
    """Word by word: a position's embedding goes straight through, and the output layer maps it to the next word."""
    text = model.text_decoder
    with torch.no_grad():
        for parameter in text.parameters():
            parameter.zero_()
        for name, parameter in text.named_parameters():
            if "LayerNorm.weight" in name:
                parameter.fill_(1.0)
        basis = torch.eye(32)
        text.bert.embeddings.position_embeddings.weight[:32] = basis
        head = text.cls.predictions
        head.transform.dense.weight.copy_(basis)
        decoder = torch.zeros(len(WORDS), 32)
        for place, word in enumerate(words[1:]):
            decoder[WORDS.index(word), place] += 10.0
        head.decoder.weight = torch.nn.Parameter(decoder)
        text.bert.embeddings.word_embeddings.weight = torch.nn.Parameter(torch.zeros(len(WORDS), 32))
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
