"""Which bundles there are: the embedded ones and those in the user's folder."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from platformdirs import user_data_path

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.bundle import CARD, Bundle, read_bundle

DEFAULT = "ct-head-neck"
IN_RUN = "bundle"
"""Where the folder of a training run has its model."""


def folders() -> list[Path]:
    """Where bundles are looked for: user folders first, so that a user can replace an embedded model.

    `MEDVLP_MODELS` names further folders, separated as in PATH.
    """
    named = [Path(p).expanduser() for p in os.environ.get("MEDVLP_MODELS", "").split(os.pathsep) if p]
    return [*named, user_folder(), embedded_folder()]


def user_folder() -> Path:
    """Where models that a user adds are put; it need not exist yet."""
    return user_data_path("medvlp", appauthor=False) / "models"


def embedded_folder() -> Path:
    """The models that come with the package."""
    return Path(str(files("vlp3d_core"))) / "bundles"


def list_bundles() -> list[Bundle]:
    """Every bundle that can be seen, the usable and the unusable (`problem` says why); the first of a name wins."""
    found: dict[str, Bundle] = {}
    for place in folders():
        for bundle in bundles_in(place):
            found.setdefault(bundle.name, bundle)
    return list(found.values())


def bundles_in(place: Path) -> list[Bundle]:
    """The bundles of one folder, usable or not; none where there is no such folder."""
    if not place.is_dir():
        return []
    return [_listed(folder) for folder in sorted(p for p in place.iterdir() if os.path.isfile(p / CARD))]


def _listed(folder: Path) -> Bundle:
    """The bundle, with `problem` set where its card or the size of its weights is wrong (hashing takes longer)."""
    try:
        bundle = read_bundle(folder)
    except MedVLPError as error:
        return Bundle(folder, {}, str(error))
    size = bundle.weights.stat().st_size if bundle.weights.is_file() else 0
    if size == bundle.card["weights"]["bytes"]:
        return bundle
    return replace(bundle, problem=f"The weights {bundle.weights} are missing or cut short. Install the bundle again.")


def find_bundle(name: str | Path | None = None) -> Bundle:
    """A bundle by name, by its folder or by that of the run that made it; None is the default model.

    Raises:
        UsageError: no bundle has that name.
        MedVLPError: it is there but its card cannot be used.
    """
    # os.path.isfile answers False to names that no file can have, where Path.is_file raises.
    for folder in () if name is None else (Path(name), Path(name) / IN_RUN):
        if os.path.isfile(folder / CARD):
            return read_bundle(folder)
    wanted = str(name or DEFAULT)
    bundles = {bundle.name: bundle for bundle in list_bundles()}
    if wanted not in bundles:
        known = ", ".join(sorted(bundles)) or "none"
        raise UsageError(f"There is no model {wanted!r}.", f"Name a bundle's folder or one of: {known}.")
    bundle = bundles[wanted]
    if bundle.problem:
        raise MedVLPError(bundle.problem)
    return bundle
