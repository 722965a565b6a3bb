"""On a node: `python -m vlp3d_core.service.jobs.slurm.probe FOLDER` says there what a job would find."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from vlp3d_core import __version__
from vlp3d_core.files import replacing
from vlp3d_core.service.locks import locked

FOUND = "found-{number}.json"


def found(folder: Path) -> dict[str, Any]:
    """host, version (of this package), torch (its version, "" without it), missing (packages of training), gpus, locks
    (whether the folder's file system keeps them)."""
    from importlib.util import find_spec

    with (folder / f".lock-{os.getpid()}").open("ab") as file:
        locks = locked(file)
    missing = [name for name in ("torch", "monai", "lightning", "yaml") if find_spec(name) is None]
    said = {"host": socket.gethostname(), "version": __version__, "missing": missing, "locks": locks}
    if "torch" in missing:
        return {**said, "torch": "", "gpus": 0}
    import torch

    return {**said, "torch": torch.__version__, "gpus": torch.cuda.device_count()}


def main() -> int:
    folder = Path(sys.argv[1])
    with replacing(folder / FOUND.format(number=os.environ.get("SLURM_PROCID", "0"))) as temporary:
        temporary.write_text(json.dumps(found(folder)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
