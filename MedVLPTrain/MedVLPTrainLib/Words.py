"""Measured needs, and times, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MedVLPLib.Texts import _


def needText(found: Mapping[str, Any]) -> str:
    """What `vlp3d trial --json` has measured."""
    text = _("A step takes {step:.2g} s, the whole run about {whole}. It needs {memory:.1f} GB of memory and {disk:.0f} MB of disk.")  # fmt: skip # noqa: E501
    return text.format(
        step=found["seconds_per_step"],
        whole=durationText(found["seconds_for_the_run"]),
        memory=found["peak_memory_bytes"] / 1e9,
        disk=max(1, found["disk_bytes"] / 1e6),
    )


def durationText(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h", "2.1 days"."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    if seconds < 5400:
        return _("{count} min").format(count=round(seconds / 60))
    if seconds < 2 * 86400:
        return _("{count:.1f} h").format(count=seconds / 3600)
    return _("{count:.1f} days").format(count=seconds / 86400)


def checksText(said: Mapping[str, Any]) -> str:
    """What `vlp3d jobs test` has found, a line each."""
    lines = [f"{one['text']} {one['remedy']}".strip() for one in said.get("checks", ())]
    return "\n".join([*lines, _("Jobs can run there.") if said.get("ok") else _("Jobs cannot run there yet.")])
