"""fib25: one FIB-SEM volume of fly brain, 250³ voxels of 8 nm, with its neurites as instances.

    python -m vlp3d_core.train.importers.fib25 FOLDER -o OUT

One volume is all there is, so it is cut along S into three blocks that do not touch. They show the same tissue, and
neurites run from one into the next: a score on the test block says less than one on another brain would.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from skimage.measure import label

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.write_image import write_volume

IMAGE, LABELS = "train2_raw.nrrd", "train2_neurons.nrrd"
BLOCKS = {"train": (55, 185), "validation": (0, 45), "test": (195, 250)}
"""First voxel and end along the third axis; ten voxels between blocks belong to none.

More than half of slices 140 to 185 is one neurite, whose single joins would decide what a threshold is worth; the
largest one of the first 45 slices fills a third of them."""


def cut_blocks(folder: Path, out: Path) -> Path:
    """Write an image and an instance map of each block into `out`, with `manifest.jsonl`.

    What belongs to one neurite but is not connected within a block becomes several instances there.

    Raises:
        MedVLPError: the folder does not hold fib25, or `out` cannot be written.
    """
    if not all((folder / name).is_file() for name in (IMAGE, LABELS)):
        raise MedVLPError(f"{folder} does not hold fib25.", f"It needs {IMAGE} and {LABELS}.")
    volume = read_volume(folder / IMAGE, modality="EM")
    labels, _ = read_labels(folder / LABELS)
    if volume.shape != labels.shape or volume.shape[2] < BLOCKS["test"][1]:
        raise MedVLPError(f"{folder} does not hold fib25: its volume is {volume.shape}.", "Copy the files again.")
    out.mkdir(parents=True, exist_ok=True)
    cases = []
    for split, (first, end) in BLOCKS.items():
        block = volume.part(2, first, end)
        instances = label(labels[..., first:end], connectivity=1)
        files = [Path(f"{split}_raw.nrrd"), Path(f"{split}_instances.nrrd")]
        for file, array in zip(files, (block.array, instances), strict=True):
            write_volume(block.with_array(np.asarray(array, np.float32)), out / file)
        cases.append(Case(files[0], f"fib25-{split}", split, files[1], modality="EM"))
    write_manifest(cases, out / "manifest.jsonl")
    return out / "manifest.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    print(cut_blocks(args.folder, args.out))


if __name__ == "__main__":
    main()
