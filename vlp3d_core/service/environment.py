"""The environment of a process that is to import this very package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder that holds the package; every process that we start must find the same one."""


def environment_for_package(base: Mapping[str, str]) -> dict[str, str]:
    """`base`, in which this package is found first, and nothing by chance in a working folder."""
    paths = [str(ROOT), *(p for p in [base.get("PYTHONPATH")] if p)]
    return {**base, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
