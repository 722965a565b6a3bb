"""MG-3D: image and report help to restore each other, and sentences link patients (arXiv 2412.05876).

Implemented from the formulas; nothing here reproduces the paper's numbers. What differs from the released code:
fusion is ordinary cross-attention; sentence-wise image features take their content from the image alone; the targets of
SSM are contextual; SAL's target stands still; words are masked anew at each step; the text encoder is this project's
frozen tower, sentence by sentence. A plain CLIP term stands beside the five, as the five never compare an image alone
with a text alone, which searching volumes by reports needs; `clip_weight=0` leaves it out.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from vlp3d_core.model.fusion import Fusion, ImageAnswer, image_tokens
from vlp3d_core.text.masking import WordMasker
from vlp3d_core.train.losses.info_nce import info_nce
from vlp3d_core.train.losses.masked import hide_blocks, masked_image, masked_language, sentence_alignment
from vlp3d_core.train.losses.sentence_similarity import sentence_similarity
from vlp3d_core.train.pair_module import Batch, PairModule
from vlp3d_core.train.pretrain_config import PretrainConfig
from vlp3d_core.train.restorer import Restorer

WIDTH, SAL_WIDTH = 128, 8
TEMPERATURE = 0.1
SPOKEN = 4
"""Sentences of each report whose words are predicted at a step; all of them would cost as much as the images."""


class MG3D(PairModule):
    """`L = L_MLM + 0.1·L_SAL + L_MIM + 0.1·(L_CML + L_DCL + L_SSM)`, and `clip_weight · L_clip`:

    * MLM: masked words from their sentence, whose tokens attend to the image's; SAL: the sentence as a whole, too;
    * MIM: hidden blocks of the image from image tokens that attend to the sentences;
    * CML: InfoNCE between the fused and the un-fused [text; image] vector of a study;
    * DCL: InfoNCE between the fused image vector and the mean of what the image answers to each sentence;
    * SSM: see `losses.sentence_similarity`.
    """

    def __init__(self, config: PretrainConfig, text_dimension: int, masker: WordMasker) -> None:
        super().__init__(config, text_dimension)
        width = self.model.encoder.channels[-1]
        self._masker = masker  # frozen, and no module: its weights are neither trained nor kept
        self.fusion = Fusion(width, text_dimension, WIDTH)
        self.reading = Fusion(text_dimension, width, WIDTH)
        self.answer = ImageAnswer(width, text_dimension, WIDTH)
        self.words = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, masker.vocabulary))
        self.sentence_states = nn.Linear(WIDTH, SAL_WIDTH)
        self.sentence_targets = nn.Linear(text_dimension, SAL_WIDTH)
        self.sentence_targets.requires_grad_(False)
        self.plain_image, self.plain_text = nn.Linear(width, WIDTH), nn.Linear(text_dimension, WIDTH)
        self.restore = Restorer(WIDTH, self.model.stride)

    def losses(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        image = self.one_view(batch, generator)
        mask = batch["mask"]
        sentences = (batch["sentences"] - self.model.text_mean) * self.model.text_scale
        coarse = self.model.encoder(image)[-1].float()
        tokens = image_tokens(coarse)
        fused = self.fusion(tokens, sentences, mask).mean(1)
        answers = self.answer(tokens, sentences)
        plain_text = self.plain_text(_mean(sentences, mask))
        answered = _mean(answers, mask)
        unfused = torch.cat([plain_text, self.plain_image(tokens.mean(1))], dim=1)
        terms = {
            "cml": 0.1 * info_nce(torch.cat([answered, fused], dim=1), unfused, TEMPERATURE),
            "dcl": 0.1 * info_nce(fused, answered, TEMPERATURE),
            "ssm": 0.1 * sentence_similarity(answers, batch["sentences"], mask),
            "mim": self._hidden(image, sentences, mask, generator),
            **self._spoken(tokens, batch["tokens"], mask, generator),
        }
        if self.config.clip_weight:
            text = self.model.text(batch["sentences"], mask)
            terms["clip"] = self.config.clip_weight * self.contrast(self.model.pooled(coarse), text)
        return terms

    def _hidden(self, image: Tensor, sentences: Tensor, mask: Tensor, generator: Generator) -> Tensor:
        spoiled, hidden = hide_blocks(image, generator, self.model.stride)
        coarse = self.model.encoder(spoiled)[-1].float()
        restored = self.restore(self.fusion(image_tokens(coarse), sentences, mask), coarse.shape[2:])
        return masked_image(restored, image, hidden)

    def _spoken(self, image: Tensor, tokens: Tensor, mask: Tensor, generator: Generator) -> dict[str, Tensor]:
        """MLM and SAL on some sentences of each report."""
        draw = torch.rand(mask.shape, generator=generator).to(mask.device) * mask
        rows = draw.topk(min(SPOKEN, mask.shape[1]), dim=1).indices
        ids = tokens.gather(1, rows[..., None].expand(-1, -1, tokens.shape[2]))
        real = mask.gather(1, rows).flatten() > 0
        study = torch.arange(len(mask), device=mask.device).repeat_interleave(rows.shape[1])[real]
        ids = ids.flatten(0, 1)[real].cpu()
        masked = self._masker.mask(ids, generator)
        states = self._masker.states(masked.ids, masked.real).to(image.device)
        seen = self.reading(states, image[study])
        loss = masked_language(self.words(seen), masked.labels.to(image.device))
        whole = self._masker.states(ids, masked.real).to(image.device)
        weight = masked.real.to(image.device)
        predicted, target = self.sentence_states(_mean(seen, weight)), self.sentence_targets(_mean(whole, weight))
        return {"mlm": loss, "sal": 0.1 * sentence_alignment(predicted, target)}


def _mean(rows: Tensor, mask: Tensor) -> Tensor:
    """(B, S, D) and (B, S) → (B, D), over what is there."""
    weight = mask[..., None].to(rows.dtype)
    return (rows * weight).sum(1) / weight.sum(1).clamp(min=1)
