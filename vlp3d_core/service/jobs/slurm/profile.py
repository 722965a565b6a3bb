"""A profile: how jobs are handed to one cluster. A JSON file in the user's folder of profiles, whose name it bears."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError, UsageError

SCHEMA = Path(__file__).with_name("profile.schema.json")
MAX_BYTES = 1_000_000
NAME = re.compile(r"[^/\\:.][^/\\:]{0,63}")
"""As a spec's target may name it."""
HELP = "docs/jobs.md shows a profile."


@dataclass(frozen=True)
class Profile:
    """How jobs are handed to one cluster; the fields are those of `profile.schema.json`, empty where not said.

    Attributes:
        name: of its file, without the ending.
    """

    name: str
    host: str = ""
    partition: str = ""
    account: str = ""
    gpus: int = 0
    nodes: int = 1
    time: str = ""
    memory_gb: float | None = None
    cpus: int | None = None
    folder: str = ""
    python: str = ""
    setup: tuple[str, ...] = ()
    container: str = ""
    options: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Where SLURM's commands run, for people."""
        return self.host or "this computer"

    @property
    def interpreter(self) -> str:
        return self.python or sys.executable

    @property
    def seconds(self) -> int | None:
        """Its time; None where it leaves that to the partition."""
        if not self.time:
            return None
        days, _dash, rest = self.time.rpartition("-")
        parts = [int(part) for part in rest.split(":")]
        units = [3600, 60, 1] if days or len(parts) == 3 else [60, 1]
        return int(days or 0) * 86400 + sum(unit * part for unit, part in zip(units, parts, strict=False))


def profiles_folder() -> Path:
    """`MEDVLP_SLURM`, or `slurm` in the user's data folder."""
    if named := os.environ.get("MEDVLP_SLURM"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("medvlp", appauthor=False) / "slurm"


def profile_names() -> list[str]:
    """Of all profiles, whether or not they can be used."""
    try:
        names = sorted(os.listdir(profiles_folder()))
    except OSError:
        return []
    return [name[:-5] for name in names if name.endswith(".json") and NAME.fullmatch(name[:-5])]


def path_of(name: str) -> Path:
    """The file of a profile, which must be there.

    Raises:
        UsageError: there is none.
    """
    path = profiles_folder() / f"{name}.json"
    if not NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(profile_names()) or "none"
        raise UsageError(f"There is no SLURM profile {name!r}; there are: {known}.", f"Write {path}: {HELP}")
    return path


def read_profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        UsageError: there is none.
        MedVLPError: it cannot be read, or is no profile.
    """
    path = path_of(name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MedVLPError(f"{path} is too large for a profile.", HELP)
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MedVLPError(f"The profile {path} cannot be read: {error.strerror}.", "Check the file.") from error
    except (ValueError, RecursionError) as error:
        raise MedVLPError(f"The profile {path} is not JSON: {error}.", HELP) from error
    if problem := _first_problem(value):
        raise MedVLPError(f"The profile {path} cannot be used: {problem}.", HELP)
    value = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items() if key != "format"}
    profile = Profile(name, **value)
    if profile.host and not profile.python:
        raise MedVLPError(f"The profile {path} names a host and no python.", 'Say which "python" the nodes have.')
    return profile


def _first_problem(value: Any) -> str:
    """What is wrong, in words; "" where nothing is."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(value))
    if error is None:
        return ""
    place = "/".join(str(part) for part in error.absolute_path)
    message = " ".join(str(error.message).split())[:300].rstrip(".")
    return f"{place}: {message}" if place else message


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
