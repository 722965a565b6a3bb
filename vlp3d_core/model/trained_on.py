"""Which subjects a model was trained on, beside the model, so that nobody scores it on them by mistake.

Kept as SHA-256 of the subjects' names: enough to recognise a subject, and no list of patients for whoever gets the
model. Names that can be guessed can be recognised, too: it hides nothing from somebody who has the list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing

SUBJECTS = "subjects.json"
_KEY = "trained_on"


def note_subjects(folder: Path, subjects: Iterable[str], earlier: Iterable[Path | None] = ()) -> None:
    """Write down whom the model in `folder` is trained on.

    Args:
        earlier: folders of models that it goes on from, whose subjects it has seen as well.
    """
    known = {_hash(subject) for subject in subjects}
    for other in earlier:
        known |= (_noted(other) if other is not None else None) or set()
    with replacing(folder / SUBJECTS) as temporary:
        temporary.write_text(json.dumps({_KEY: sorted(known)}, indent=1), encoding="utf-8")


def trained_on(folder: Path, subjects: Iterable[str]) -> list[str] | None:
    """Those of the subjects that the model was trained on, sorted; None where nothing was written down.

    Raises:
        MedVLPError: what was written down cannot be read.
    """
    known = _noted(folder)
    return None if known is None else sorted({s for s in subjects if _hash(s) in known})


def _noted(folder: Path) -> set[str] | None:
    path = folder / SUBJECTS
    if not path.is_file():
        return None
    try:
        hashes = json.loads(path.read_text(encoding="utf-8"))[_KEY]
        if not isinstance(hashes, list) or not all(isinstance(item, str) for item in hashes):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedVLPError(f"{path} is damaged.", "Remove it to evaluate without this check.") from error
    return set(hashes)


def _hash(subject: str) -> str:
    # A name that came from a file system, or from JSON, may hold surrogates, which are no text.
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
