"""From any exception to one sentence and a remedy."""

from __future__ import annotations

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.service.failure import out_of_memory

_EXTRAS = {
    "lightning": "train",
    "pytorch_lightning": "train",
    "tensorboard": "train",
    "yaml": "train",
    "blosc2": "train",
    "h5py": "train",
    "httpx2": "train",
    "nltk": "train",
    "torchmetrics": "train",
    "pydicom": "dicom",
    "highdicom": "dicom",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
}


def explain(error: BaseException) -> MedVLPError:
    """The error that a person should read in place of `error`."""
    if isinstance(error, MedVLPError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Cancelled()
    if out_of_memory(error):
        return MedVLPError(
            "There is not enough memory for this.",
            "Close other programs, choose a part of the volume with --roi, or use a coarser volume.",
        )
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("vlp3d_core"):
        package = error.name.partition(".")[0]
        extra = f"[{_EXTRAS[package]}]" if package in _EXTRAS else ""
        return MedVLPError(
            f"The Python package {package} is not installed.", f'`pip install "vlp3d-core{extra}"` installs it.'
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return MedVLPError(f"{where}{error.strerror}.", "Check that the path exists and that you may use it.")
    text = " ".join(str(error).split())
    name = type(error).__name__
    return MedVLPError(f"Unexpected {name}{': ' if text else ''}{text.rstrip('.')}.", "--debug shows the traceback.")
