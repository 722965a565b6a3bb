"""The extension's own CMake lists install a tree that works: with a stand-in for Slicer's build, and no Slicer.

What the stand-in is and is not stands in `slicer_stand_in/SlicerConfig.cmake`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parent / "slicer_stand_in"
CMAKE = shutil.which("cmake") or shutil.which("cmake", path=Path(sys.executable).parent)
LIB = "lib/Slicer-5.13/qt-scripted-modules"

pytestmark = [
    pytest.mark.skipif(CMAKE is None, reason="cmake is not installed (pip install cmake)"),
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is configured without a compiler, by make"),
]


@dataclass(frozen=True)
class Tree:
    """What CMake left: the build's and the installed module folder, and the stand-in's notes."""

    built: Path
    installed: Path
    notes: Path

    def rows(self, name: str) -> list[list[str]]:
        lines = (self.notes / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        return [line.split("|") for line in lines]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    # A name with a space and an umlaut: a list that forgets its quotes fails.
    folder = tmp_path_factory.mktemp("Schöner Bau 1")
    build, prefix = folder / "build", folder / "installed"
    # Nothing is compiled: CMake need not find a compiler.
    no_compiler = [
        f"-DCMAKE_{language}_COMPILER{key}"
        for language in ("C", "CXX")
        for key in (f"={shutil.which('true')}", "_FORCED=1")
    ]
    cmake("-S", ROOT, "-B", build, f"-DSlicer_DIR={STAND_IN}", f"-DCMAKE_INSTALL_PREFIX={prefix}", *no_compiler)
    cmake("--install", build)
    return Tree(build / LIB, prefix / "MedVLP" / LIB, build / "notes")


def cmake(*args: object) -> None:
    done = subprocess.run([str(CMAKE), *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A fresh process that sees the folder and the installed libraries, and nothing of this repository."""
    code = f"import sys; sys.path[:] = [{str(folder)!r}, *(p for p in sys.path if p != {str(ROOT)!r})]\n{code}"
    return subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_the_whole_engine_is_installed(tree: Tree) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "vlp3d_core").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for folder in (tree.built, tree.installed):
        assert there == {p.relative_to(folder).as_posix() for p in (folder / "vlp3d_core").rglob("*") if p.is_file()}


def test_what_the_modules_share_is_installed(tree: Tree) -> None:
    there = {path.name for path in (ROOT / "MedVLPLib").glob("*.py")}
    for folder in (tree.built, tree.installed):
        assert there == {path.name for path in (folder / "MedVLPLib").glob("*.py")}


def test_weights_arrive_unchanged(tree: Tree) -> None:
    weights = sorted((ROOT / "vlp3d_core" / "bundles").rglob("*.safetensors"))
    assert weights
    for path in weights:
        assert (tree.installed / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


def test_shared_resources_lie_beside_the_modules(tree: Tree) -> None:
    assert (tree.installed / "MedVLPSegment.py").is_file()
    assert (tree.installed / "MedVLPTrain.py").is_file()
    assert (tree.installed / "Resources" / "requirements.txt").is_file()
    assert (tree.installed / "Resources" / "requirements-train.txt").is_file()
    assert (tree.installed / "Resources" / "Icons" / "MedVLPSegment.png").is_file()


@pytest.mark.parametrize("module", ["MedVLPSegment", "MedVLPTrain"])
@pytest.mark.parametrize("place", ["built", "installed"])
def test_it_works_from_there(tree: Tree, place: str, module: str) -> None:
    """The test that ctest runs in Slicer, here on slicer-core."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    tests = ROOT / module / "Testing" / "Python"
    code = (
        f"sys.path.append({str(tests)!r})\n"
        f"import unittest, {module}InstalledTest, vlp3d_core\n"
        f"assert vlp3d_core.__file__.startswith({str(getattr(tree, place))!r}), vlp3d_core.__file__\n"
        f"unittest.main({module}InstalledTest)\n"
    )
    done = python(code, getattr(tree, place))
    assert done.returncode == 0, done.stderr
    assert "OK" in done.stderr and "skipped" not in done.stderr


# What Slicer's Python has on the first day, as import names.
FRESH = (
    "numpy",
    "scipy",
    "SimpleITK",
    "pydicom",
    "highdicom",
    "packaging",
    "slicer",
    "slicer_core",
    "vtk",
    "vtkmodules",
)

ONLY_FRESH = f"""
import importlib.abc

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        ours = top in ("vlp3d_core", "MedVLPLib", "MedVLPSegmentLib", "MedVLPTrainLib")
        if ours or top in {FRESH!r} or top in sys.stdlib_module_names or top.startswith("_"):
            return None
        raise ModuleNotFoundError("not in a fresh Slicer: " + name, name=name)

import slicer
sys.meta_path.insert(0, Refuse())
"""


def test_the_panel_can_open_before_anything_is_installed(tree: Tree) -> None:
    """Concepts, client, volumes and the sample need only what Slicer brings."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    code = ONLY_FRESH + (
        "from vlp3d_core.service.client import Worker\n"
        "from vlp3d_core.text.concepts import concepts\n"
        "from vlp3d_core.volume.segmentation import Segmentation\n"
        "from MedVLPLib import Dependencies, Volumes\n"
        "from MedVLPSegmentLib import Logic, Samples, Segments, Table\n"
        "from MedVLPTrainLib import Captions, Command, Findings, SceneData, SpecForm, TrainLogic\n"
        "from vlp3d_core.phantom import make_phantom\n"
        "assert len(concepts()) > 500\n"
        "assert 'torch' not in sys.modules and 'rapidfuzz' not in sys.modules\n"
    )
    done = python(code, tree.installed)
    assert done.returncode == 0, done.stderr


def test_tests_are_registered_for_slicer(tree: Tree) -> None:
    rows = dict(tree.rows("tests"))
    names = {Path(path).relative_to(ROOT).as_posix() for path in rows}
    assert names == {
        "MedVLPSegment/MedVLPSegment.py",
        "MedVLPSegment/Testing/Python/MedVLPSegmentInstalledTest.py",
        "MedVLPTrain/MedVLPTrain.py",
        "MedVLPTrain/Testing/Python/MedVLPTrainInstalledTest.py",
    }
    assert set(rows.values()) == {"--no-main-window;--disable-cli-modules"}
    assert tree.rows("modules") == [["MedVLPSegment", "TRUE"], ["MedVLPTrain", "TRUE"]]


def test_the_fields_of_the_extension(tree: Tree) -> None:
    fields = dict(tree.rows("extension"))
    assert all(fields.values()), fields
    assert fields["NAME"] == "MedVLP"  # the name of the entry in the ExtensionsIndex
    assert fields["CATEGORY"] == "Segmentation"
    assert fields["DEPENDS"] == "PyTorch"
    assert fields["HOMEPAGE"].startswith("https://")
