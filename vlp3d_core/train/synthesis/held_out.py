"""Images to validate on that are made from tissues: once for a run, and the same in every run of that seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.store import Stored
from vlp3d_core.train.synthesis.settings import Synthesis
from vlp3d_core.train.synthesis.synthesise import synthesise


def made_once(stored: Sequence[Stored], settings: Synthesis | None, seed: int) -> list[Stored]:
    """Cases in which images (float16, in memory) stand for tissues; scans stay as they are.

    A score on them can be compared from validation to validation. It says how well the network does on images of this
    kind, and not how well on scans.

    Args:
        seed: with a case's place, decides its image.
    """
    out = []
    for number, case in enumerate(stored):
        if case.case.made_from:
            assert settings is not None
            chosen = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])
            tissues, labels = (torch.from_numpy(np.asarray(array[:]))[None] for array in (case.image, case.label))
            image, label = synthesise(tissues, labels, [torch.Generator().manual_seed(chosen)], settings)
            case = replace(case, image=image[0, 0].numpy().astype(np.float16), label=label[0].numpy())
        out.append(case)
    return out


def check_tissues(stored: Sequence[Stored], settings: Synthesis | None) -> None:
    """Raises MedVLPError unless every tissue of the cases has a name where the look needs one."""
    if settings is None or settings.look == "mr":
        return
    for case in stored:
        if case.case.made_from and (most := int(np.max(case.image[:], initial=0))) > len(settings.tissues):
            raise MedVLPError(
                f"{case.case.image} has the tissue {most}, and the recipe names {len(settings.tissues)}.",
                "Name the tissues 1, 2, … of the maps in synthesis.tissues.",
            )


def check_all_maps(cases: Sequence[Case]) -> None:
    """Raises MedVLPError where scans are among the cases: a batch has one shape, and finer maps have another."""
    if scans := [case for case in cases if not case.made_from]:
        raise MedVLPError(
            f"{scans[0].image} is a scan, and synthesis.finest trains on maps of tissues alone.",
            "Leave out the scans (those for validation may stay), or synthesis.finest.",
        )
