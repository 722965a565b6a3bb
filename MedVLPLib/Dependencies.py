"""What the engine needs in Slicer's Python beyond what Slicer brings: what is missing, how large it is, installing it.

Nothing is installed before the user asks, torch is never imported here, and what Slicer brings is never replaced.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedVLPLib.Texts import _
from vlp3d_core.errors import MedVLPError

TORCH = "torch>=2.8"
FROM_SLICER = (
    "numpy",
    "scipy",
    "SimpleITK",
    "pydicom",
    "highdicom",
    "requests",
    "packaging",
    "pillow",
    "python-dateutil",
    "typing_extensions",
)
"""Distributions that come with Slicer: an installation keeps them as they are."""


@dataclass(frozen=True)
class Requirement:
    """A distribution that is missing or too old.

    Attributes:
        name: as pip takes it, with its floor ("monai>=1.5").
        why: what it is for, a few words for the user.
        sizeMb: about what is downloaded for it, with what it brings along, in MB.
    """

    name: str
    why: str
    sizeMb: int


IMPORTED_AS = {"pyyaml": "yaml", "scikit-image": "skimage", "scikit-learn": "sklearn"}
"""Distributions that are not called as they are imported."""


def missing(training: bool = False) -> list[Requirement]:
    """What has to be installed before a model can run, or be trained, torch first; empty when everything is there."""
    importlib.invalidate_caches()
    known = _explanations()
    found = []
    for line in (TORCH, *requirements(training)):
        if not _isInstalled(line):
            why, size = known.get(line.split(">=")[0], ("", 5))
            found.append(Requirement(line, why, size))
    return found


def summary(training: bool = False) -> str:
    """One sentence for the panel: what will be installed and how large it is; "" when nothing is missing."""
    needed = missing(training)
    if not needed:
        return ""
    names = [item.name.split(">=")[0].replace("torch", "PyTorch", 1) for item in needed]
    size = sum(item.sizeMb for item in needed)
    about = _("{gb:.1f} GB").format(gb=size / 1000) if size >= 1000 else _("{mb} MB").format(mb=size)
    return _("Installs into Slicer's Python, from the internet (about {size}): {names}.").format(
        size=about, names=", ".join(names)
    )


def install(parent: Any = None, training: bool = False) -> bool:
    """Install what is missing. Call it from a click, on the main thread; it returns when everything is done.

    Torch comes first, through the PyTorch extension, which asks and picks the build for the graphics card; then pip
    gets the rest, and may change neither torch nor what Slicer brings.

    Args:
        parent: the widget that asked; Slicer's own dialogs find the main window by themselves.
        training: what training needs, too.

    Returns:
        False when the user said no, or Slicer runs its tests: what was there stays as it was.

    Raises:
        MedVLPError: the PyTorch extension is not installed, a download failed, or something is still missing.
    """
    if _testing():
        return False
    needed = missing(training)
    if any(item.name == TORCH for item in needed) and not _installTorch():
        return False
    others = [item.name for item in needed if item.name != TORCH]
    if others:
        _installOthers(others)
    still = missing(training)
    if still:
        raise MedVLPError(
            _("Still missing after the installation: {names}.").format(names=", ".join(item.name for item in still)),
            _("Restart Slicer and try again; the Python console shows what pip said."),
        )
    return True


def pythonExecutable() -> str:
    """The Python for the worker process: PythonSlicer in Slicer, this interpreter elsewhere.

    Where PythonSlicer is not found, its bare name: the panel opens, and the first click says that it cannot be started.
    """
    folder = Path(sys.executable).parent
    beside = folder / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    found = shutil.which("PythonSlicer") or (str(beside) if beside.is_file() else "")
    if _inSlicer() and found:
        return found
    return sys.executable if Path(sys.executable).name.lower().startswith("python") else "PythonSlicer"


def requirements(training: bool = False) -> list[str]:
    """The lines of Resources/requirements.txt, torch excluded: "monai>=1.5", …; and of requirements-train.txt."""
    folder = Path(__file__).resolve().parents[1] / "Resources"
    names = ("requirements.txt", "requirements-train.txt") if training else ("requirements.txt",)
    try:
        texts = [(folder / name).read_text(encoding="utf-8") for name in names]
        lines = [line.strip() for text in texts for line in text.splitlines()]
    except OSError as error:
        raise MedVLPError(
            _("The extension's list of requirements is missing."), _("Install the extension again.")
        ) from error
    return [line for line in lines if line and not line.startswith("#")]


def _explanations() -> dict[str, tuple[str, int]]:
    """Distribution → what it is for, and about how many MB pip downloads for it (Linux, Python 3.12, 2026)."""
    return {
        # A build for NVIDIA cards brings the CUDA libraries along.
        "torch": (_("runs the models"), 3000 if shutil.which("nvidia-smi") else 250),
        "blosc2": (_("volumes that are ready for training"), 8),
        "einops": (_("the networks"), 1),
        "lightning": (_("training"), 12),
        "pyyaml": (_("recipes"), 1),
        "scikit-image": (_("scores of EM"), 14),
        "scikit-learn": (_("scores"), 10),
        "tensorboard": (_("curves"), 6),
        "huggingface_hub": (_("names of text models"), 7),
        "jsonschema": (_("checks model cards"), 1),
        "matplotlib": (_("overview pictures"), 17),
        "monai": (_("the networks"), 2),
        "nibabel": (_("NIfTI files"), 4),
        "platformdirs": (_("the folder of own models"), 1),
        "psutil": (_("free memory, asked before a run"), 1),
        "rapidfuzz": (_("spelling errors in queries"), 4),
        "safetensors": (_("model weights"), 1),
        "tqdm": (_("progress bars"), 1),
        "transformers": (_("the text model"), 18),
    }


def _isInstalled(line: str) -> bool:
    """Whether the distribution is there, new enough, and can be found for import; nothing is imported."""
    from packaging.requirements import Requirement as Line

    wanted = Line(line)
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    found = importlib.util.find_spec(IMPORTED_AS.get(wanted.name, wanted.name)) is not None
    return found and wanted.specifier.contains(version, prereleases=True)


def _installTorch() -> bool:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise MedVLPError(
            _("The extension PyTorch is not installed."),
            _("Install it in the Extensions Manager, restart Slicer, and click again."),
        ) from error
    floor = TORCH.removeprefix("torch")
    try:
        # PyTorchUtils imports torch when it is done. Nothing of ours uses that: models run in the worker's process.
        logic = PyTorchUtils.PyTorchUtilsLogic()
        return logic.installTorch(askConfirmation=True, torchVersionRequirement=floor) is not None
    except Exception as error:
        raise MedVLPError(
            _("PyTorch {floor} could not be installed: {reason}.").format(floor=floor, reason=_reason(error)),
            _("Look into the module PyTorch Utils; Macs with Intel processors have no PyTorch as new as this."),
        ) from error


def _installOthers(names: list[str]) -> None:
    import slicer

    with tempfile.TemporaryDirectory(prefix="medvlp-") as folder:
        keep = Path(folder) / "keep.txt"
        keep.write_text("\n".join(_versionsToKeep()), encoding="utf-8")
        try:
            try:
                from slicer.packaging import pip_ensure
            except ImportError:  # Slicer 5.10 and older
                slicer.util.pip_install([*names, "-c", str(keep)])
            else:
                # The click was the consent: the panel has said what comes and how large it is.
                pip_ensure(names, constraints=keep, prompt_install=False, requester="MedVLP")
        except Exception as error:
            raise MedVLPError(
                _("The Python packages could not be installed: {reason}.").format(reason=_reason(error)),
                _("Check the internet connection and the free disk space, then click again."),
            ) from error


def _versionsToKeep() -> list[str]:
    """Lines of a pip constraints file: what is there of torch and of Slicer's own packages stays as it is."""
    lines = []
    for name in ("torch", *FROM_SLICER):
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return lines


def _inSlicer() -> bool:
    slicer = sys.modules.get("slicer")
    return getattr(slicer, "app", None) is not None


def _testing() -> bool:
    """Slicer's `--testing` answers every dialog with yes; a test must not change the Python that it runs in."""
    return _inSlicer() and bool(sys.modules["slicer"].app.testingEnabled())


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
