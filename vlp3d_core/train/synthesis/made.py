"""Images made from maps of tissues, written as files: to evaluate a model of such images, and to look at them.

    python -m vlp3d_core.train.synthesis.made brain.jsonl --recipe mr-brain -o made [--split test] [--each 3]
    python -m vlp3d_core.train.synthesis.made brain.jsonl --recipe mr-brain -o t1 synthesis.contrasts=[T1]

`key=value` changes the recipe, as in `vlp3d finetune`. The maps of the split become images as in training, at 1 mm.
Their manifest lies beside them and has the folder's name (`made/made.jsonl`). They are the same for the same seed. A
score on them says how well a model does on images of this kind, and not how well on scans.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import torch

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.train.config import FinetuneConfig, load_config
from vlp3d_core.train.manifest import TISSUES, Case, read_manifest, write_manifest
from vlp3d_core.train.store import Stored, preprocess
from vlp3d_core.train.synthesis.settings import Synthesis, synthesis_of
from vlp3d_core.train.synthesis.synthesise import synthesise
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.volume import Volume
from vlp3d_core.volume.write_image import write_volume

SPACING = (1.0, 1.0, 1.0)
"""mm: finer than the models of made images, as scans are."""


def write_made(manifest: Path, config: FinetuneConfig, split: str, each: int, out: Path) -> Path:
    """Write images and label maps (values 1, 2, … in the order of the recipe's concepts) and their manifest.

    Args:
        each: images of each map.

    Raises:
        MedVLPError: the recipe makes no images, or the split has no maps of tissues.
    """
    settings = synthesis_of(config.synthesis, SPACING, config.normalisation, config.concepts)
    cases = [c for c in read_manifest(manifest, tissues=True) if c.split == split and c.made_from == TISSUES]
    if settings is None or not cases:
        raise MedVLPError(
            f"There is nothing to make images from: {len(cases)} maps of tissues are in the split {split!r}.",
            "Give a recipe with the setting synthesis, and a manifest of maps (`manifest build --layout synthseg`).",
        )
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as cache:
        normalisation = Normalisation.from_json(config.normalisation)
        stored = preprocess(cases, Path(cache), config.concepts, SPACING, normalisation)
        written = out / f"{out.resolve().name}.jsonl"  # a card names a manifest by this alone
        write_manifest(_written(stored, settings, config.concepts, each, out), written)
    return written


def _written(
    stored: Sequence[Stored], settings: Synthesis, concepts: Sequence[str], each: int, out: Path
) -> Iterator[Case]:
    names = dict(enumerate(concepts, 1))
    for number, one in enumerate(stored):
        tissues, labels = (torch.from_numpy(np.asarray(array[:]))[None] for array in (one.image, one.label))
        known = tuple(name for name, is_known in zip(concepts, one.known, strict=True) if is_known)
        for again in range(each):
            generator = torch.Generator().manual_seed(number * each + again)
            image, label = synthesise(tissues, labels, [generator], settings)
            files = [Path(f"{one.case.subject}-{again}{end}.nii.gz") for end in ("", "-labels")]
            grey = np.asarray((image[0, 0].numpy() + 1) * 127.5, np.float32)
            write_volume(Volume(grey, np.eye(4), one.case.modality), out / files[0])
            with replacing(out / files[1]) as temporary:
                nib.save(nib.Nifti1Image(label[0].numpy(), np.eye(4)), temporary)
            yield Case(files[0], one.case.subject, one.case.split, files[1], names, known, one.case.modality)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("changes", nargs="*", metavar="key=value", help="change the recipe's settings")
    args = parser.parse_intermixed_args()
    config = load_config(args.recipe, args.changes)
    print(write_made(args.manifest, config, args.split, args.each, args.out))


if __name__ == "__main__":
    main()
