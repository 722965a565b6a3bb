"""GTGM: text made for a volume supervises its encoder; two views of it agree (arXiv 2306.04811).

Implemented from the formulas; nothing here reproduces the paper's numbers. What differs: sentences come from this
project's frozen text tower instead of BioBERT's [CLS] (`model.alignment`), and views are not mirrored, for the texts
speak of sides.
"""

from __future__ import annotations

from torch import Generator, Tensor

from vlp3d_core.train.losses.barlow_twins import barlow_twins
from vlp3d_core.train.pair_module import Batch, PairModule


class GTGM(PairModule):
    """`L = L_clip(v₁, t) + L_clip(v₂, t) + 0.01 · L_bt(v₁, v₂)`, with L_clip the sum of both directions."""

    def losses(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        config = self.config
        one, other = (self.model.image(x) for x in self.views(batch, generator))
        text = self.model.text(batch["sentences"], batch["mask"])
        return {
            "clip_one": 2 * self.contrast(one, text),
            "clip_other": 2 * self.contrast(other, text),
            "twins": config.barlow_weight * barlow_twins(one, other, config.barlow_off_diagonal, config.standardise),
        }
