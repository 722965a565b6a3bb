"""What Slicer's Python needs: the lists agree, and an installation would go the right way. None is made here."""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from MedVLPLib import Dependencies
from vlp3d_core.errors import MedVLPError

ROOT = Path(__file__).parents[2]
VERSION = importlib.metadata.version


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that takes distributions away, or makes them another version (name=version)."""

    def take(*names: str, **versions: str) -> None:
        def version(name: str) -> str:
            if name in names:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions.get(name) or VERSION(name)

        monkeypatch.setattr(importlib.metadata, "version", version)

    return take


def test_every_dependency_has_its_place() -> None:
    """In requirements.txt, brought by Slicer, or torch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {Requirement(line).name: str(Requirement(line).specifier) for line in project["dependencies"]}
    needed |= {Requirement(line).name: "" for line in project["optional-dependencies"]["dicom"]}
    listed = {Requirement(line).name: str(Requirement(line).specifier) for line in Dependencies.requirements()}
    torch = Requirement(Dependencies.TORCH)
    brought = set(Dependencies.FROM_SLICER)
    assert set(needed) <= set(listed) | brought | {torch.name}
    assert set(listed) <= set(needed), "listed, and not needed"
    assert not set(listed) & (brought | {"torch", "torchvision"}), "what Slicer brings is never listed"
    assert needed["torch"] == str(torch.specifier)
    assert all(needed[name] == floor for name, floor in listed.items()), "the floors are those of pyproject.toml"


def test_training_needs_what_its_extra_says_and_what_the_command_asks_for() -> None:
    from vlp3d_core.cli.training import NEEDED

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = {
        Requirement(line).name: str(Requirement(line).specifier) for line in project["optional-dependencies"]["train"]
    }
    base = set(Dependencies.requirements())
    own = {Requirement(line).name: line for line in Dependencies.requirements(training=True) if line not in base}
    assert own and all(extra[name] == str(Requirement(line).specifier) for name, line in own.items())
    wanted = {name.lower() for name in NEEDED.values()}
    assert wanted <= own.keys() | {Requirement(line).name for line in base} | set(Dependencies.FROM_SLICER)
    assert {item.name for item in Dependencies.missing(training=True)} <= {*own.values(), *base, Dependencies.TORCH}


def test_requirements_are_floors() -> None:
    """`slicer.packaging.load_requirements` takes each line whole: no options, no comments behind."""
    for line in Dependencies.requirements(training=True):
        wanted = Requirement(line)
        assert [clause.operator for clause in wanted.specifier] == [">="]
        assert not wanted.url and not wanted.extras and wanted.marker is None
        why, size = Dependencies._explanations()[wanted.name]
        assert why and size >= 1


def test_nothing_is_missing_here() -> None:
    assert Dependencies.missing() == []
    assert Dependencies.summary() == ""
    assert Dependencies.install() is True  # nothing to do


def test_missing_and_old_are_named_with_size(without: Callable[..., None]) -> None:
    without("monai", torch="2.4.1+cpu", transformers="5.1.0")
    missing = {item.name: item for item in Dependencies.missing()}
    assert list(missing) == ["torch>=2.8", "monai>=1.5"]
    assert missing["torch>=2.8"].sizeMb >= 200
    sentence = Dependencies.summary()
    assert "PyTorch" in sentence and "monai" in sentence and "B)" in sentence


def test_a_distribution_without_its_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An uninstallation that was stopped leaves the metadata behind."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nibabel" else real(name))
    assert [item.name for item in Dependencies.missing()] == ["nibabel>=5.2"]


def test_asking_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys\n"
        "from MedVLPLib import Dependencies\n"
        "Dependencies.missing(), Dependencies.summary(), Dependencies.pythonExecutable()\n"
        "print(*({'torch', 'monai', 'transformers', 'matplotlib', 'slicer'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_without_the_pytorch_extension(without: Callable[..., None]) -> None:
    without("torch", "monai")
    with pytest.raises(MedVLPError, match=r"extension PyTorch is not installed\..*Extensions Manager"):
        Dependencies.install()


class Slicer:
    """Stands in for what an installation asks of Slicer and of the PyTorch extension; notes it, and installs nothing.

    Args:
        torch: what PyTorchUtils answers: a module, None (the user said no), or an error that it raises.
        recent: with `slicer.packaging`, as from Slicer 5.12 on.
    """

    def __init__(self, patch: pytest.MonkeyPatch, without: Callable[..., None], torch: Any, recent: bool) -> None:
        self.asked: list[Any] = []
        self.constraints = ""
        self.error: Exception | None = None
        self.installed: Callable[[], None] = without
        self._torch, self._without = torch, without
        utils = types.SimpleNamespace(PyTorchUtilsLogic=lambda: types.SimpleNamespace(installTorch=self.install_torch))
        self.package = types.ModuleType("slicer")
        self.package.util = types.SimpleNamespace(pip_install=self.pip_install)  # type: ignore[attr-defined]
        packaging = types.SimpleNamespace(pip_ensure=self.pip_ensure) if recent else None
        patch.setitem(sys.modules, "PyTorchUtils", utils)
        patch.setitem(sys.modules, "slicer", self.package)
        patch.setitem(sys.modules, "slicer.packaging", packaging)

    def install_torch(self, askConfirmation: bool = False, torchVersionRequirement: str | None = None) -> Any:
        self.asked.append(("torch", askConfirmation, torchVersionRequirement))
        if isinstance(self._torch, Exception):
            raise self._torch
        if self._torch:
            self._without("monai", "rapidfuzz")
        return self._torch

    def pip_ensure(
        self,
        requirements: list[str],
        constraints: Any = None,
        prompt_install: bool = True,
        requester: str | None = None,
    ) -> None:
        assert not prompt_install and requester == "MedVLP"
        self._pip(requirements, constraints)

    def pip_install(self, requirements: list[str]) -> None:
        at = requirements.index("-c")
        self._pip(requirements[:at], requirements[at + 1])

    def _pip(self, requirements: list[str], constraints: Any) -> None:
        self.asked.append(("pip", requirements))
        self.constraints = Path(constraints).read_text(encoding="utf-8")
        if self.error:
            raise self.error
        self.installed()


@pytest.mark.parametrize("recent", [True, False])
def test_torch_comes_first_and_pip_keeps_what_is_there(
    without: Callable[..., None], monkeypatch: pytest.MonkeyPatch, recent: bool
) -> None:
    slicer = Slicer(monkeypatch, without, object(), recent)
    without("torch", "monai", "rapidfuzz")
    assert Dependencies.install() is True
    assert slicer.asked == [("torch", True, ">=2.8"), ("pip", ["monai>=1.5", "rapidfuzz>=3.6"])]
    kept = slicer.constraints.splitlines()
    for name in ("torch", "numpy", "SimpleITK", "pydicom"):
        assert f"{name}=={VERSION(name)}" in kept


def test_no_means_no(without: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch, pip would bring a build of its own choice: nothing else is installed either."""
    slicer = Slicer(monkeypatch, without, None, True)
    without("torch", "monai")
    assert Dependencies.install() is False
    assert slicer.asked == [("torch", True, ">=2.8")]


def test_failures_become_one_sentence(without: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    slicer = Slicer(monkeypatch, without, OSError("no route to host"), True)
    without("torch")
    with pytest.raises(MedVLPError, match=r"PyTorch >=2\.8 could not be installed: no route to host\."):
        Dependencies.install()
    without("rapidfuzz")
    slicer.error = RuntimeError("Command 'pip install' returned non-zero exit status 1.\nmore")
    with pytest.raises(MedVLPError, match=r"could not be installed: Command .* exit status 1\. Check the internet"):
        Dependencies.install()
    slicer.error, slicer.installed = None, lambda: None
    with pytest.raises(MedVLPError, match="Still missing after the installation: rapidfuzz"):
        Dependencies.install()


def test_slicers_own_tests_install_nothing(without: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    slicer = Slicer(monkeypatch, without, object(), True)
    slicer.package.app = types.SimpleNamespace(testingEnabled=lambda: True)  # type: ignore[attr-defined]
    without("torch", "monai")
    assert Dependencies.install() is False
    assert slicer.asked == []


def test_the_workers_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Dependencies.pythonExecutable() == sys.executable
    package = types.ModuleType("slicer")
    package.app = object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "slicer", package)
    python_slicer = tmp_path / "PythonSlicer"
    python_slicer.write_text("#!/bin/sh\n", encoding="utf-8")
    python_slicer.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    if sys.platform != "win32":
        assert Dependencies.pythonExecutable() == str(python_slicer)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "SlicerApp-real"))
    assert Dependencies.pythonExecutable() == "PythonSlicer", "starting it is what fails, with a sentence"
