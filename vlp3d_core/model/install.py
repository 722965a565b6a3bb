"""Models are added to the user's folder and removed from it. Light: a host program can do it without torch.

A model is copied beside its place, checked there, and renamed when everything holds: nobody ever meets half of one.
What a card does not name is not copied.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import TEMPORARY, sha256_of
from vlp3d_core.model.bundle import CARD, MAX_CARD_BYTES, Bundle, read_bundle, write_card
from vlp3d_core.model.confine import confined
from vlp3d_core.model.monai_import import METADATA, convert
from vlp3d_core.model.registry import bundles_in, embedded_folder, list_bundles, user_folder
from vlp3d_core.model.trained_on import SUBJECTS
from vlp3d_core.model.unpack import Package, free_for, package

COMPANIONS = ("LICENSE", "LICENSE.txt", "NOTICE", "README.md", SUBJECTS)
"""Files that go along with a model where they are there."""
MAX_COMPANION_BYTES = 20_000_000
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_STALE = 24 * 3600.0


@dataclass(frozen=True)
class Candidate:
    """A model that was unpacked and checked and is not installed yet.

    Attributes:
        bundle: in a temporary folder that ends with the `candidate` block; under the name that it will have.
        size: bytes of all its files.
        target: where `install` puts it.
        replaces: where an installed model of that name lies, or None.
        notes: what the user should know before saying yes.
    """

    bundle: Bundle
    size: int
    target: Path
    replaces: Path | None = None
    notes: tuple[str, ...] = ()

    def install(self) -> Bundle:
        """Put it in its place.

        Raises:
            MedVLPError: the folder cannot be written; what was installed before is still there then.
        """
        old = self.bundle.folder.parent / "old"
        try:
            if self.replaces is not None:
                os.rename(self.replaces, old)
            try:
                os.rename(self.bundle.folder, self.target)
            except OSError:
                if self.replaces is not None:
                    os.rename(old, self.replaces)
                raise
        except OSError as error:
            raise _cannot("install", self.bundle.name, error) from error
        return read_bundle(self.target)


@contextmanager
def candidate(source: str | Path, name: str | None = None, replace: bool = False) -> Iterator[Candidate]:
    """Unpack and check a model, ours or a MONAI bundle, from a folder or a zip; `install` it inside the
    block, or leave it.

    Args:
        name: another name than that in its card.
        replace: whether an installed model of the same name may be replaced.

    Raises:
        UsageError: no such file, no possible name, or the name is taken.
        MedVLPError: no model, damaged, changed (the hash differs), too large, or with names that lead elsewhere.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a model's name.",
            "Use a–z, 0–9, '.', '_' and '-', at most 64, a letter or digit first.",
        )
    with package(source, (CARD, METADATA)) as files, _workshop() as folder:
        new = folder / "new"
        notes: tuple[str, ...] = ()
        if CARD in files:
            size = _fetch(files, new)
        else:
            size, notes = convert(files, new, name)
        bundle = _renamed(read_bundle(new), name)
        yield Candidate(bundle, size, user_folder() / bundle.name, _taken(bundle.name, replace), notes)


def remove(name: str) -> Path:
    """Remove an installed model; returns where it was.

    Raises:
        UsageError: no such model, or one that was not installed by `candidate`.
        MedVLPError: its folder cannot be removed.
    """
    installed = {bundle.name: bundle.folder for bundle in bundles_in(user_folder())}
    if name not in installed:
        other = next((bundle for bundle in list_bundles() if bundle.name == name), None)
        if other is None:
            raise UsageError(f"There is no model {name!r}.", f"Installed: {', '.join(sorted(installed)) or 'none'}.")
        if other.folder.parent == embedded_folder():
            raise UsageError(f"{name} comes with MedVLP and cannot be removed.", "Leave it; it does no harm.")
        raise UsageError(f"{name} was not added by `vlp3d models add`.", f"Remove its folder {other.folder} yourself.")
    folder = installed[name]
    with _workshop() as workshop:
        try:
            # A link to a folder elsewhere goes as a link; of a folder nobody meets half.
            os.rename(folder, workshop / "old")
            if os.path.islink(workshop / "old"):
                os.unlink(workshop / "old")
        except OSError as error:
            raise _cannot("remove", name, error) from error
    return folder


def _fetch(files: Package, new: Path) -> int:
    """Copy card, weights and companions into `new`; returns their bytes. The card is checked before anything else."""
    if files.sizes[confined(CARD)] > MAX_CARD_BYTES:
        raise MedVLPError(f"{CARD} in {files.source} is too large for a model card.", "Ask for a correct one.")
    size = files.copy([CARD], new)
    bundle = read_bundle(new)
    weights, expected = bundle.weights.name, bundle.card["weights"]
    if weights not in files:
        raise MedVLPError(f"{files.source} lacks the weights {weights} that its card names.", "Load it again.")
    if files.sizes[confined(weights)] != expected["bytes"]:
        raise MedVLPError(f"The weights in {files.source} are cut short or not those of its card.", "Load it again.")
    free_for(new, expected["bytes"])
    along = [c for c in COMPANIONS if c in files and files.sizes[confined(c)] <= MAX_COMPANION_BYTES]
    size += files.copy([weights, *along], new)
    if sha256_of(bundle.weights) != expected["sha256"]:
        raise MedVLPError(
            f"The weights in {files.source} are not those that its card names (the SHA-256 differs).",
            "The file is damaged or was changed: load it again from where it is published.",
        )
    return size


def _renamed(bundle: Bundle, name: str | None) -> Bundle:
    if name is not None and name != bundle.name:
        write_card(bundle.folder, {**bundle.card, "name": name})
        bundle = read_bundle(bundle.folder)
    confined(bundle.name)  # "con" and "a." are names by the schema and no folders on Windows
    return bundle


def _taken(name: str, replace: bool) -> Path | None:
    """Where an installed model lies that may be replaced, None where the name is free."""
    another = "Give it another name with --name."
    if any(bundle.name == name for bundle in bundles_in(embedded_folder())):
        raise UsageError(f"{name} is the name of a model that comes with MedVLP.", another)
    mine = next((bundle.folder for bundle in bundles_in(user_folder()) if bundle.name == name), None)
    other = next((b.folder for b in list_bundles() if b.name == name and b.folder.parent != user_folder()), None)
    if other is not None:
        raise UsageError(f"The model {name} in {other} would hide it.", another)
    if mine is not None and not replace:
        raise UsageError(
            f"A model named {name} is installed already.", "--replace replaces it, --name gives another name."
        )
    target = user_folder() / name
    if os.path.lexists(target) and target != mine:
        raise UsageError(f"{target} is in the way.", another)
    return mine


@contextmanager
def _workshop() -> Iterator[Path]:
    """A folder beside the installed models, on the same disk, that ends with the block."""
    place = user_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        for left in place.glob(f"{TEMPORARY}*"):  # of a process that was killed
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=place))
    except OSError as error:
        reason = error.strerror or str(error)
        raise MedVLPError(f"Cannot write the folder of models {place}: {reason}.", "Make it writable.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cannot(what: str, name: str, error: OSError) -> MedVLPError:
    reason = error.strerror or str(error)
    return MedVLPError(f"Cannot {what} {name} in {user_folder()}: {reason}.", "Close programs that use it; try again.")
