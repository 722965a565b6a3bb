"""The phantoms as sample data: entries that Sample Data can show, and a volume that says what it is."""

from __future__ import annotations

import importlib
import sys
import types
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import slicer

from MedVLPLib.Volumes import volumeFromNode
from MedVLPSegmentLib import Samples
from vlp3d_core.phantom import make_phantom


@pytest.fixture(scope="module")
def whole_phantom(whole_scene: Any) -> Any:
    """Made once: it takes a while."""
    scene = slicer.vtkMRMLScene()
    return Samples.addPhantom(Samples.HEAD_NECK, scene), scene


@pytest.fixture
def node(whole_phantom: Any) -> Any:
    return whole_phantom[0]


@pytest.fixture(scope="module")
def truth() -> Any:
    return make_phantom(0, "head-neck").volume


def test_voxels_lie_where_the_phantom_has_them(node: Any, truth: Any) -> None:
    volume = volumeFromNode(node)
    assert volume.array.dtype == np.int16
    assert np.abs(volume.array - truth.array).max() <= 0.5
    assert np.allclose(volume.affine, truth.affine)


def test_it_says_that_it_is_a_ct(node: Any) -> None:
    assert volumeFromNode(node).modality == "CT"
    node.SetAttribute("DICOM.Modality", None)  # a saved scene may lose one of the two
    assert volumeFromNode(node).modality == "CT"
    node.SetAttribute("DICOM.Modality", "CT")


def test_soft_tissue_is_shown(node: Any) -> None:
    display = node.GetScalarVolumeDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (Samples.WINDOW, Samples.LEVEL)
    assert not display.GetAutoWindowLevel()


def test_a_second_one_gets_a_name_of_its_own(whole_phantom: Any, truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node, scene = whole_phantom
    monkeypatch.setattr("vlp3d_core.phantom.make_phantom", lambda *_: types.SimpleNamespace(volume=truth))
    second = Samples.addPhantom(Samples.HEAD_NECK, scene)
    assert node.GetName() == "MedVLPPhantomHeadNeck"
    assert second.GetName() not in ("", node.GetName())
    scene.RemoveNode(second)


class SampleDataLogic:
    """Stands in for Slicer's class: what is there already, by its text, is not entered again."""

    sources: list[dict[str, Any]]
    titles: dict[str, str]

    @classmethod
    def registerCustomSampleDataCategory(cls, category: str, title: str) -> None:
        cls.titles[category] = title

    @classmethod
    def registerCustomSampleDataSource(cls, **source: Any) -> None:
        if str(source) not in map(str, cls.sources):
            cls.sources.append(source)


@pytest.fixture
def sample_data(monkeypatch: pytest.MonkeyPatch) -> type[SampleDataLogic]:
    SampleDataLogic.sources, SampleDataLogic.titles = [], {}
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=SampleDataLogic))
    return SampleDataLogic


def test_entries_need_no_download(sample_data: type[SampleDataLogic]) -> None:
    Samples.registerSamples()
    assert [entry["sampleName"] for entry in sample_data.sources] == ["MedVLPPhantomHeadNeck", "MedVLPPhantomTrunk"]
    assert {entry["category"] for entry in sample_data.sources} == set(sample_data.titles) == {"MedVLP"}
    for entry in sample_data.sources:
        assert entry["uris"] == entry["fileNames"] == []
        assert callable(entry["customDownloader"])
        with open(entry["thumbnailFileName"], "rb") as file:
            assert file.read(4) == b"\x89PNG"


def test_registering_again_changes_nothing(sample_data: type[SampleDataLogic], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after the module was reloaded, when its classes are new ones."""
    Samples.registerSamples()
    before = list(sample_data.sources)
    monkeypatch.delitem(sys.modules, Samples.__name__)
    again = importlib.import_module(Samples.__name__)
    assert again.PhantomSample is not Samples.PhantomSample
    again.registerSamples()
    assert sample_data.sources == before


def test_a_click_makes_and_shows_it(scene: Any, truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("vlp3d_core.phantom.make_phantom", lambda *_: types.SimpleNamespace(volume=truth))
    monkeypatch.setattr(slicer.util, "setSliceViewerLayers", lambda background, fit: shown.append((background, fit)))
    monkeypatch.setattr(slicer.util, "tryWithErrorDisplay", lambda *_, **__: nullcontext())
    nodes = Samples.HEAD_NECK(object())
    assert shown == [(nodes[0], True)]
    assert nodes[0].GetScene() is scene
