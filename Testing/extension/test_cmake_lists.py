"""The CMake lists name every file that there is: what is not listed is missing in everybody's Slicer but ours."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ["MedVLPSegment", "MedVLPTrain"]


def cmake_list(path: Path, name: str) -> list[str]:
    """The entries of `set(NAME …)`, with ${MODULE_NAME} put in."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    found = re.search(rf"set\({name}\s([^)]*)\)", text)
    assert found, f"{path} has no set({name} …)"
    return found[1].replace("${MODULE_NAME}", path.parent.name).split()


def files_below(folder: Path, pattern: str) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_script_is_listed(module: str) -> None:
    listed = cmake_list(ROOT / module / "CMakeLists.txt", "MODULE_PYTHON_SCRIPTS")
    there = {name for name in files_below(ROOT / module, "*.py") if not name.startswith("Testing/")}
    assert set(listed) == there
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", MODULES)
def test_every_resource_is_listed(module: str) -> None:
    """SVG files are the sources of the PNG files beside them and stay here."""
    folder = ROOT / module
    listed = cmake_list(folder / "CMakeLists.txt", "MODULE_PYTHON_RESOURCES")
    there = {name for name in files_below(folder, "*") if name.startswith("Resources/")}
    drawn = {name for name in there if name.endswith(".svg") and f"{name.removesuffix('.svg')}.png" in there}
    assert set(listed) == there - drawn
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", MODULES)
def test_every_test_in_slicer_is_registered(module: str) -> None:
    folder = ROOT / module / "Testing" / "Python"
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"SCRIPT\s+(\S+)", text)) == files_below(folder, "*Test.py")
    assert files_below(folder, "*.py") == files_below(folder, "*Test.py"), "a file that no test registers"


def test_every_module_is_built() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"add_subdirectory\((\w+)\)", text)) == {
        path.parent.name for path in ROOT.glob("*/CMakeLists.txt") if (path.parent / f"{path.parent.name}.py").is_file()
    }


def test_what_the_modules_share_is_installed_with_the_engine() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"file\(GLOB MedVLP_SHARED_SCRIPTS[^)]*\n  MedVLPLib/\*\.py\n", text)
    assert '"${MedVLP_ENGINE_SCRIPTS};${MedVLP_SHARED_SCRIPTS}"' in text
    assert all(path.parent.name == "MedVLPLib" for path in (ROOT / "MedVLPLib").rglob("*.py")), "a folder in it"


@pytest.mark.parametrize("module", MODULES)
def test_modules_share_by_the_shared_folder_alone(module: str) -> None:
    """Neither a module nor what they share imports another module's parts."""
    others = {f"{name}Lib" for name in MODULES if name != module}
    for path in (ROOT / module).rglob("*.py"):
        assert not others & set(re.findall(r"\bMedVLP\w+Lib\b", path.read_text(encoding="utf-8"))), path
    for path in (ROOT / "MedVLPLib").glob("*.py"):
        assert f"{module}Lib" not in path.read_text(encoding="utf-8"), path


def test_the_engine_is_installed_by_its_own_patterns() -> None:
    """Slicer gets of the engine what a wheel gets."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    patterns = {name.replace("*", "**/*", 1) for name in re.findall(r"^  vlp3d_core/(\S+)$", text, re.MULTILINE)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert patterns == {"**/*.py", *project["tool"]["setuptools"]["package-data"]["vlp3d_core"]}
