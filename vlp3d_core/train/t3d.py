"""T3D: the report is injected into image tokens of sub-volumes (arXiv 2312.01529, v1 of 2023 and v3 of 2025).

Implemented from the abstracts and a public description; there is no official code, and nothing here reproduces the
papers' numbers. `objectives: [clip, tcl, tir]` is v1, `[clip, tma]` is v3.

Both crops of a study come with the same report, so a contrastive loss on fused vectors could be solved by the report
alone. Here the image tokens are what is pooled (`model.fusion`), and the shuffled-image control shows the difference.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cosine_similarity

from vlp3d_core.model.fusion import Fusion, image_tokens
from vlp3d_core.train.losses.info_nce import info_nce
from vlp3d_core.train.losses.restoration import corrupt, restoration
from vlp3d_core.train.pair_module import Batch, PairModule
from vlp3d_core.train.pretrain_config import PretrainConfig
from vlp3d_core.train.restorer import Restorer

WIDTH = 128
TCL_TEMPERATURE = 0.7


class T3D(PairModule):
    """The sum of the terms that `config.objectives` names:

    * clip: symmetric InfoNCE between the volume's and the report's vector;
    * tcl: `½[CE(S) + CE(Sᵀ)]`, `S = cos(W·LN(pool h(x, r)), W'·LN(pool h(x', r))) / 0.7` for crops x, x' of a study;
    * tir: `mean |dec(h(x̃, r)) − x|` for both crops, x̃ a spoiled x, which then stands for x in the other terms;
    * tma: views of one study agree after the report was injected into their tokens; the other view is a fixed target
      (Chen and He 2021), so nothing has to be told from a study with the same report.
    """

    def __init__(self, config: PretrainConfig, text_dimension: int) -> None:
        super().__init__(config, text_dimension)
        self.fusion = Fusion(self.model.encoder.channels[-1], text_dimension, WIDTH)
        self.heads = nn.ModuleList(nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)) for _ in range(2))
        self.predict = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.restore = Restorer(WIDTH, self.model.stride)

    def losses(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        images = self.views(batch, generator)
        wanted = self.config.objectives
        # One pass over each crop serves all terms: what is to be restored comes spoiled to the others, too.
        seen = [corrupt(x, generator) if "tir" in wanted else x for x in images]
        maps = [self.model.encoder(x)[-1].float() for x in seen]
        fused = [self._fuse(m, batch) for m in maps]
        terms: dict[str, Tensor] = {}
        if "clip" in wanted:
            text = self.model.text(batch["sentences"], batch["mask"])
            each = [self.contrast(self.model.pooled(m), text) for m in maps]
            terms["clip"] = torch.stack(each).mean()
        if "tcl" in wanted:
            a, b = (head(h.mean(1)) for head, h in zip(self.heads, fused, strict=True))
            terms["tcl"] = info_nce(a, b, TCL_TEMPERATURE)
        if "tma" in wanted:
            terms["tma"] = (self._agree(fused[0], fused[1]) + self._agree(fused[1], fused[0])) / 2
        if "tir" in wanted:
            restored = [self.restore(h, m.shape[2:]) for h, m in zip(fused, maps, strict=True)]
            terms["tir"] = torch.stack([restoration(r, x) for r, x in zip(restored, images, strict=True)]).mean()
        return terms

    def _fuse(self, coarse: Tensor, batch: Batch) -> Tensor:
        sentences = (batch["sentences"] - self.model.text_mean) * self.model.text_scale
        fused: Tensor = self.fusion(image_tokens(coarse), sentences, batch["mask"])
        return fused

    def _agree(self, one: Tensor, other: Tensor) -> Tensor:
        """1 − cosine between what is predicted from one view's pooled tokens and the other's, which stand still."""
        predicted, target = self.predict(one.mean(1)), other.mean(1).detach()
        return (1 - cosine_similarity(predicted, target, dim=1)).mean()
