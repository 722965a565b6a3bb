"""`vlp3d evaluate regions`: phrases, regions and controls, on two coarse phantom studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.core.cli.conftest import Run
from Testing.core.toy_findings import write_run
from vlp3d_core.model.trained_on import note_subjects
from vlp3d_core.phantom import make_phantom
from vlp3d_core.train.manifest import Case, write_manifest
from vlp3d_core.volume.write import write_segmentation
from vlp3d_core.volume.write_image import write_volume


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trunks")
    cases = []
    for seed in range(3):
        phantom = make_phantom(seed, "trunk", spacing=(15, 15, 15))
        image, label = folder / f"{seed}.nii.gz", folder / f"{seed}-labels.nii.gz"
        write_volume(phantom.volume, image)
        write_segmentation(phantom.segmentation(), label)
        report = (
            "CT of the chest.\nFINDINGS: There is a 12 mm solid nodule in the right lower lobe. The liver is normal."
        )
        cases.append(Case(image, f"trunk-{seed}", "test", label, phantom.values, None, "CT", report))
    write_manifest(cases, folder / "m.jsonl")
    return folder / "m.jsonl"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_phrases_and_controls(vlp3d: Run, manifest: Path, run: Path) -> None:
    command = ("evaluate", "regions", "--checkpoint", run, "--manifest", manifest)
    found, shuffled = vlp3d(*command, "--json").json, vlp3d(*command, "--json", "--shuffle-images").json
    rows = {row["phrase"]: row for row in found["phrases"]}
    assert {"liver", "spleen", "heart", "finding in lung"} <= set(rows) and found["volumes"] == 3
    assert rows["liver"]["n"] == 3 and 0 < rows["spleen"]["means"]["chance"] < rows["liver"]["means"]["chance"] < 0.5
    other = {row["phrase"]: row for row in shuffled["phrases"]}
    assert other["liver"]["means"]["chance"] == rows["liver"]["means"]["chance"], "regions are the volume's own"
    assert other["liver"]["means"]["above"] != rows["liver"]["means"]["above"]
    said = vlp3d(*command).out
    assert "3 volumes" in said and "(other phrase)" in said and "mean" in said


def test_what_it_refuses(vlp3d: Run, manifest: Path, run: Path) -> None:
    command = ("evaluate", "regions", "--checkpoint", run, "--manifest", manifest)
    done = vlp3d(*command, "--split", "train")
    assert done.code == 1 and "has 0 volumes with label maps" in done.err
    note_subjects(run, ["trunk-1"])
    done = vlp3d(*command)
    assert done.code == 1 and "trained on 1 of the subjects to evaluate: trunk-1" in done.err
