"""Job folders as the engine writes them, in any state."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.command import METRICS
from vlp3d_core.service.jobs.folder import SPEC, JobFolder, create
from vlp3d_core.service.jobs.log import LOG
from vlp3d_core.service.jobs.owner import Owner
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import State, now

WAY = {
    "queued": (),
    "running": ("running",),
    "finishing": ("running", "finishing"),
    "done": ("running", "finishing", "done"),
    "failed": ("running", "failed"),
    "cancelled": ("running", "finishing", "cancelled"),
    "lost": ("running", "lost"),
}
ERROR = MedVLPError("The loss is not a number.", "Lower the learning rate.")


def make_job(
    root: Path, state: str = "running", name: str = "Leber", rows: int = 3, manifest: str = "/m.jsonl"
) -> JobFolder:
    """A fine-tuning of 100 steps that has logged `rows` rows, looked after by this very process."""
    spec = JobSpec("finetune", manifest, name, recipe="ct-head-neck")
    job = create(root, spec, State(owner=Owner.of(os.getpid()), changes=(("queued", now()),)))
    for step in WAY[state]:
        job.change(step, error=ERROR if step == "failed" else None)
    (job.path / METRICS).parent.mkdir(parents=True)
    lines = [f"0,{1 / (n + 1)},{n}\n" for n in range(rows)]
    (job.path / METRICS).write_text("epoch,loss,step\n" + "".join(lines), encoding="utf-8")
    (job.run / "config.json").write_text('{"steps": 100}', encoding="utf-8")
    (job.path / LOG).write_text("It begins.\n", encoding="utf-8")
    return job


def copies(job: JobFolder, count: int) -> list[JobFolder]:
    """More jobs like this one, quickly."""
    made = [job.path.with_name(f"{n:06d}-copy") for n in range(2, count + 2)]
    for folder in made:
        shutil.copytree(job.path, folder)
        spec = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        (folder / SPEC).write_text(json.dumps(spec | {"name": folder.name}), encoding="utf-8")
    return [JobFolder(folder) for folder in made]


def log_row(job: JobFolder, step: int, loss: float) -> None:
    with (job.path / METRICS).open("a", encoding="utf-8") as file:
        file.write(f"0,{loss},{step}\n")


def write_best(job: JobFolder, dice: float, step: int) -> None:
    """As `BestWeights` writes it, with one number for weights."""
    header = {"__metadata__": {"step": str(step), "val_dice": f"{dice:.5f}"}}
    data = json.dumps(header | {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (job.run / "best.safetensors").write_bytes(struct.pack("<Q", len(data)) + data + bytes(4))
