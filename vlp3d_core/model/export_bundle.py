"""A model as a zip that `vlp3d models add` takes again, byte for byte."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import TEMPORARY, replacing
from vlp3d_core.model.bundle import CARD, Bundle, verified_weights
from vlp3d_core.model.install import COMPANIONS


def export_bundle(bundle: Bundle, out: Path) -> None:
    """Write OUT.zip: one folder named for the model, with card, weights and what lies beside them.

    Raises:
        UsageError: `out` does not end in .zip.
        MedVLPError: the weights are not those of the card, or the file cannot be written.
    """
    if out.suffix.lower() != ".zip":
        raise UsageError(f"{out} does not end in .zip.", "A bundle is exported as a zip.")
    weights = verified_weights(bundle)
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(bundle.folder / CARD, f"{bundle.name}/{CARD}")
        # Half-precision weights hardly shrink; stored, they are read as they lie.
        archive.writestr(f"{bundle.name}/{bundle.weights.name}", weights, zipfile.ZIP_STORED)
        for name in COMPANIONS:
            if (bundle.folder / name).is_file():
                archive.write(bundle.folder / name, f"{bundle.name}/{name}")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes `out` when the block ends well and is removed otherwise.

    Raises:
        UsageError: `out` exists and is not an empty folder.
        MedVLPError: it cannot be written.
    """
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} exists already.", "Name a folder that does not exist yet.")
    made: Path | None = None
    try:
        made = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=out.parent))
        yield made
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(made, 0o777 & ~mask)  # mkdtemp makes private folders
        if out.is_dir():
            out.rmdir()
        os.rename(made, out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MedVLPError(
            f"Cannot write {out}: {reason}.", "Choose a folder that is writable and has space."
        ) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
