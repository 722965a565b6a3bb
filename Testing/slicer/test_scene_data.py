"""Volumes and segmentations of a scene as training data: the engine reads back the same voxels, places and names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from MedVLPLib.Flatten import flatten  # noqa: E402
from MedVLPLib.Matrices import ijkToWorld  # noqa: E402
from MedVLPLib.Tags import CONCEPT  # noqa: E402
from MedVLPLib.Volumes import volumeFromNode  # noqa: E402
from MedVLPSegmentLib.Segments import addSegmentation  # noqa: E402
from MedVLPTrainLib.FileNames import LONGEST, fileName  # noqa: E402
from MedVLPTrainLib.SceneData import SceneWriter, writeScene  # noqa: E402
from MedVLPTrainLib.ScenePairs import Pair, conceptNamed, guessPairs  # noqa: E402
from Testing.slicer.results import NAMES, segmentation_of, two_boxes  # noqa: E402
from vlp3d_core.errors import MedVLPError  # noqa: E402
from vlp3d_core.train.manifest import read_manifest  # noqa: E402
from vlp3d_core.volume.read import read_volume  # noqa: E402
from vlp3d_core.volume.read_labels import read_labels  # noqa: E402

SHAPE = (12, 10, 8)
OBLIQUE = np.array([[1.6, -0.6, 0, 5], [1.2, 0.8, 0, -6], [0, 0, -3, 7], [0, 0, 0, 1]])
SHEARED = np.array([[1.0, 0.02, 0, 5], [0, 1, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]])
TURN = np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
Make = Callable[..., Any]


def drawn(volume: Any, *names: str) -> Any:
    """A segmentation with two boxes on a volume, as a user would have named them."""
    node = addSegmentation(
        segmentation_of(volumeFromNode(volume), two_boxes(SHAPE), NAMES), volume, surfaces=False
    ).node
    content = node.GetSegmentation()
    for segment_id, name in zip(content.GetSegmentIDs(), names, strict=False):
        content.GetSegment(segment_id).SetName(name)
        content.GetSegment(segment_id).RemoveTag(CONCEPT)
    return node


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("matrix", [OBLIQUE, SHEARED], ids=["oblique", "sheared"])
def test_the_engine_reads_back_what_slicer_shows(
    make_volume: Make, put_under: Make, tmp_path: Path, scene: Any, dtype: type, matrix: Any
) -> None:
    array = np.random.default_rng(1).normal(90, 40, SHAPE).clip(0, 255).astype(dtype)
    volume = make_volume(array, matrix, "Bauch äöü/CT: 1")
    put_under(volume, TURN)
    node = drawn(volume, "Left kidney", "liver")
    written = writeScene(scene, guessPairs(scene), tmp_path / "Daten 1")
    (case,) = read_manifest(written.manifest)
    assert case.image.parent == tmp_path / "Daten 1" / "images" and case.image.name == "Bauch äöü_CT_ 1.nii"
    read = read_volume(case.image)
    assert np.array_equal(read.array, array.astype(read.array.dtype)), "the engine computes with single precision"
    assert np.array_equal(np.asarray(nib.load(case.image).dataobj), array)
    place = ijkToWorld(volume)
    assert np.allclose(read.affine, place, atol=1e-5), "NIfTI keeps single precision"
    labels, affine = read_labels(case.label)
    expected = flatten(node, volumeNode=volume)
    assert np.allclose(affine, place, atol=1e-5)
    assert case.labels == {1: "kidney_left", 2: "liver"}
    assert np.array_equal(labels, expected.labels) and set(np.unique(labels)) == {0, 1, 2}
    assert json.loads((case.label.parent / "Bauch äöü_CT_ 1.json").read_text())["labels"][0]["name"] == "Left kidney"


def test_subjects_are_patients_and_else_volumes(
    make_volume: Make, in_subject: Callable[[Any], int], scene: Any, tmp_path: Path
) -> None:
    of_patient, alone = make_volume(name="a"), make_volume(name="b")
    study = in_subject(of_patient)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.SetItemAttribute(hierarchy.GetItemParent(study), "DICOM.PatientID", "P 7")
    cases = writeScene(scene, [Pair(of_patient.GetID()), Pair(alone.GetID())], tmp_path).cases
    assert [case.subject for case in cases] == ["P 7", "b"]
    assert [case.label for case in cases] == [None, None]


def test_what_a_volume_says_of_its_modality_counts_more_than_the_choice(
    make_volume: Make, scene: Any, tmp_path: Path
) -> None:
    says, silent = make_volume(name="a"), make_volume(name="b")
    says.SetAttribute("DICOM.Modality", "CT")
    pairs = [Pair(says.GetID()), Pair(silent.GetID())]
    assert [case.modality for case in writeScene(scene, pairs, tmp_path, modality="MR").cases] == ["CT", "MR"]


def test_pairs_are_guessed_by_reference_and_by_name(make_volume: Make, scene: Any) -> None:
    first, second, third = (make_volume(name=name) for name in ("Anna CT", "Berta", "Clara"))
    referred = drawn(second, "liver", "spleen")
    named = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "anna_seg")
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hidden")
    hidden.SetHideFromEditors(True)
    assert guessPairs(scene) == [
        Pair(first.GetID(), named.GetID()),
        Pair(second.GetID(), referred.GetID()),
        Pair(third.GetID()),
    ]


def test_names_that_mean_nothing_are_left_out_and_said(make_volume: Make, scene: Any, tmp_path: Path) -> None:
    volume = make_volume(name="CT")
    drawn(volume, "Region of Dr X", "liver")
    written = writeScene(scene, guessPairs(scene), tmp_path)
    assert written.cases[0].labels == {1: "liver"}
    assert "Region of Dr X" in " ".join(written.notes)
    labels, _affine = read_labels(tmp_path / "labels" / "CT.nii.gz")
    assert set(np.unique(labels)) == {0, 1}


def test_two_segments_of_one_meaning_become_one(make_volume: Make, scene: Any, tmp_path: Path) -> None:
    drawn(make_volume(name="CT"), "Liver", "liver")
    assert writeScene(scene, guessPairs(scene), tmp_path).cases[0].labels == {1: "liver"}


def test_labels_without_any_name_are_refused(make_volume: Make, scene: Any, tmp_path: Path) -> None:
    drawn(make_volume(name="CT"), "Segment_1", "Segment_2")
    with pytest.raises(MedVLPError, match=r"Segment_1, Segment_2.*Rename the segments"):
        writeScene(scene, guessPairs(scene), tmp_path)
    assert not (tmp_path / "manifest.jsonl").exists()


def test_what_cannot_be_written_is_said(make_volume: Make, scene: Any, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="No volume is chosen"):
        writeScene(scene, [], tmp_path)
    volume = make_volume(name="CT")
    writer = SceneWriter(scene, [Pair(volume.GetID())], tmp_path)
    scene.RemoveNode(volume)
    with pytest.raises(MedVLPError, match="removed from the scene"):
        next(iter(writer))
    (tmp_path / "file").write_text("")
    with pytest.raises(MedVLPError, match="cannot be made"):
        SceneWriter(scene, [Pair("x")], tmp_path / "file")


def test_volumes_of_one_name_get_files_of_their_own(make_volume: Make, scene: Any, tmp_path: Path) -> None:
    other = np.random.default_rng(5).integers(-900, 900, SHAPE).astype(np.int16)
    one, two = make_volume(name="CT"), make_volume(other, name="ct")
    cases = writeScene(scene, [Pair(one.GetID()), Pair(two.GetID())], tmp_path).cases
    assert [case.image.name for case in cases] == ["CT.nii", "ct-2.nii"]
    assert np.array_equal(read_volume(tmp_path / cases[1].image).array, volumeFromNode(two).array)


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("Left Kidney", "kidney_left"),
        ("kidney_left", "kidney_left"),
        ("Segment_1", ""),
        ("liver, spleen", ""),
        ("", ""),
    ],
)
def test_a_name_means_one_structure_or_nothing(name: str, concept: str) -> None:
    assert conceptNamed(name) == concept


@given(st.text(), st.lists(st.text(max_size=5), max_size=3))
def test_file_names_stay_in_their_folder(name: str, others: list[str]) -> None:
    taken = [fileName(other) for other in others]
    found = fileName(name, taken)
    assert Path("folder", found).parent == Path("folder") and found not in ("", ".", "..")
    assert not set(found) & set('<>:"/\\|?*\0') and len(found.encode()) <= LONGEST + 5
    assert found.casefold() not in {other.casefold() for other in taken}
