"""Answers that were paid for once: a folder of small files, so that a second run asks nothing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from platformdirs import user_cache_path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing


def default_cache() -> Path:
    """The user's folder for it; `MEDVLP_CACHE` names another one."""
    named = os.environ.get("MEDVLP_CACHE")
    return (Path(named).expanduser() if named else user_cache_path("medvlp", appauthor=False)) / "captions"


class Cache:
    """Texts by what was asked. A file holds the answer alone; what was sent is only in its name, as a hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, url: str, body: bytes) -> Path:
        """Where the answer to a request lies: by the hash of address, model, prompt and content."""
        key = hashlib.sha256(url.encode() + b"\0" + body).hexdigest()
        return self.folder / key[:2] / f"{key}.json"

    def get(self, url: str, body: bytes) -> str | None:
        """The answer, or None where there is none that can be read."""
        try:
            row = json.loads(self.path(url, body).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        text = row.get("text") if isinstance(row, dict) else None
        return text if isinstance(text, str) and text.strip() else None

    def put(self, url: str, body: bytes, text: str) -> None:
        """Keep an answer.

        Raises:
            MedVLPError: the folder cannot be written.
        """
        path = self.path(url, body)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedVLPError(
                f"Cannot write {path.parent}: {error.strerror}.", "MEDVLP_CACHE names another."
            ) from error
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"text": text}), encoding="utf-8")
