"""Which networks of others are accepted, and what is looked at before one of them is made. Light: without torch."""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError

CLOSED_SET = "closed-set"
"""`kind` in the architecture of a card: classes instead of text queries."""
SCRIPT = "torchscript"
NETWORKS = ("BasicUNet", "DynUNet", "SegResNet", "SwinUNETR", "UNet")
"""Of monai.networks.nets; the names that a card may have besides `SCRIPT`."""
LARGEST = 4096
"""No number among a network's arguments is larger: a card must not fill the memory."""
REFUSED = "Ask for a model without it."


def check_arguments(network: str, arguments: Mapping[str, Any]) -> None:
    """Raise MedVLPError where a network is none of `NETWORKS` or an argument is more than a number, word or list."""
    if network not in NETWORKS:
        raise MedVLPError(
            f"The network {network[:60]!r} is not known here.", f"Known: {', '.join(NETWORKS)}, TorchScript."
        )
    for key, value in arguments.items():
        if not _harmless(value):
            raise MedVLPError(f"The argument {key}={str(value)[:60]} of {network} is not accepted.", REFUSED)


def stride_of(network: str, arguments: Mapping[str, Any]) -> int:
    """What edges of an image must be multiples of."""
    if network == "SegResNet":
        return int(2 ** (len(arguments.get("blocks_down", (1, 2, 2, 4))) - 1))
    if network in ("UNet", "DynUNet"):
        steps = [max(s) if isinstance(s, list) else s for s in arguments.get("strides", [])]
        return math.prod(steps)
    return 32 if network == "SwinUNETR" else 16


def check_script(file: Path | bytes) -> None:
    """Raise MedVLPError where TorchScript could do more than calculate.

    TorchScript runs in an interpreter of its own, without Python; two of its operators write or map files
    (`aten::save`, `aten::from_file`). The code is read as text before torch opens the archive, since opening can run
    code.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            code = [info for info in infos if info.filename.endswith(".py")]
            if sum(info.file_size for info in code) > 50_000_000:
                raise MedVLPError("The TorchScript has too much code for a network.", REFUSED)
            text = "\n".join(archive.read(info).decode("utf-8") for info in code)
            first = min((info.header_offset for info in infos), default=-1)
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise MedVLPError("The TorchScript file is damaged.", "Load it again.") from error
    # Two readers must not see two archives in one file: torch's has its own idea of zips.
    if first != 0 or len({n.casefold() for n in names}) < len(names):
        raise MedVLPError("The TorchScript file is not built as torch builds it.", REFUSED)
    tops = {name.partition("/")[0] for name in names}
    if len(tops) != 1 or f"{next(iter(tops))}/data.pkl" not in names or not code:
        raise MedVLPError("The file model.ts is no TorchScript.", "Load it again.")
    found = re.search(r"\b(save|from_file|load_tensor|classes)\b", text)
    spaces = set(re.findall(r"\bops\s*\.\s*(\w+)", text)) - {"aten", "prim"}
    if found or spaces:
        what = found[1] if found else f"ops.{min(spaces)}"
        raise MedVLPError(f"The TorchScript calls {what}, which a network does not need.", REFUSED)


def _harmless(value: Any, depth: int = 0) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return abs(value) <= LARGEST
    if isinstance(value, str):
        return len(value) <= 40 and value.replace("_", "").isalnum()
    if isinstance(value, list):
        return depth < 3 and len(value) <= 16 and all(_harmless(item, depth + 1) for item in value)
    if isinstance(value, dict):
        keys = all(isinstance(k, str) and k.isidentifier() and not k.startswith("_") for k in value)
        return depth < 3 and len(value) <= 16 and keys and all(_harmless(v, depth + 1) for v in value.values())
    return False
