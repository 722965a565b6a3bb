"""Lesions of the white matter: heads to make images of, and scans of patients with multiple sclerosis to test on.

    python -m vlp3d_core.train.importers.lesions SYNTHSEG_LABEL_MAPS [--patients OPEN_MS] -o lesions.jsonl

SYNTHSEG_LABEL_MAPS is what `vlp3d manifest build --layout synthseg` takes. Both sides of the white matter are one
here: a patch in which lesions of some millimetres are seen is too small to tell sides. OPEN_MS holds patientNN_FLAIR,
_T1 and _lesions; none of it is trained on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.importers import synthseg
from vlp3d_core.train.importers.request import Request
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.train.synthesis.settings import LESION_CONCEPT

WHITE_MATTER = "white_matter"
SIDES = ("cerebral_white_matter_left", "cerebral_white_matter_right")
CONTRASTS = ("FLAIR", "T1")


def head_cases(folder: Path, out: Path) -> list[Case]:
    """The heads with white matter as one structure; maps of tissues are written into `out`.

    Raises:
        MedVLPError: the folder does not hold label maps.
    """
    cases = synthseg.read(Request(folder, out)).cases
    return [
        replace(
            case,
            labels={value: WHITE_MATTER for value, name in case.labels.items() if name in SIDES},
            contoured=(WHITE_MATTER, LESION_CONCEPT),
        )
        for case in cases
    ]


def patient_cases(folder: Path) -> list[Case]:
    """Every contrast of every patient, for the test; what is not a lesion was not contoured.

    Raises:
        MedVLPError: there is none.
    """
    cases = []
    for label in sorted(folder.glob("*_lesions.nii.gz")):
        subject = label.name.removesuffix("_lesions.nii.gz")
        images = [folder / f"{subject}_{contrast}.nii.gz" for contrast in CONTRASTS]
        cases += [
            Case(image, f"open-ms-{subject}", "test", label, {1: LESION_CONCEPT}, (LESION_CONCEPT,), "MR")
            for image in images
            if image.is_file()
        ]
    if not cases:
        raise MedVLPError(f"{folder} does not hold patients.", "It needs patientNN_lesions.nii.gz beside the scans.")
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=Path, help="folder of open_ms: its patients are the split test")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    cases = head_cases(args.folder, args.output.parent / f"{args.output.stem}-volumes")
    # Made heads of the test would hide in the mean what is asked: how lesions of patients are found.
    cases = [case for case in cases if case.split != "test"] if args.patients else cases
    cases += patient_cases(args.patients) if args.patients else []
    cases = [replace(c, image=c.image.resolve(), label=c.label.resolve() if c.label else None) for c in cases]
    write_manifest(cases, args.output)
    print(f"{args.output}: {len(cases)} volumes")


if __name__ == "__main__":
    main()
