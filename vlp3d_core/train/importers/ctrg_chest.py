"""CTRG-Chest-548K as NIfTI: chest CT with reports in English.

Layout: a JSON file {"train": [...], "val": [...], "test": [...]}; a row has `id` ("910" or "910.nii.gz"), `report` or
`finding`, and mostly `result` or `impression`; volumes ID.nii.gz lie anywhere below the folder. This is how MG-3D and
Dia-LLaMA keep it (huggingface.co/datasets/Trusure/CTRG-Chest-548K_volume, whose own list of files was not seen).
The first publication (github.com/tangyuhao2016/CTRG), slices as .jpg and reports in Chinese, is not read.

In MG-3D's list "val" and "test" are the same 360 volumes: they are "test" here, and where nothing is left for
validation a tenth of the training volumes is. An id stands for a study; whether patients occur twice is not known.

Cannot be known: spacing and HU. The volumes were made of 8-bit pictures; trust neither mm nor grey values, and use a
normalisation by percentiles.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.request import Request, some, volumes_below
from vlp3d_core.train.importers.splits import with_validation
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.reports_csv import section

SPLITS = {"train": "train", "val": "validation", "test": "test"}
PICTURES = (
    "The volumes were made of 8-bit pictures: spacing and HU are not known; use a normalisation of kind percentile."
)


def read(request: Request) -> Collected:
    """Every volume that the list names."""
    volumes = volumes_below(request.folder, ".nii.gz", ".nii")
    by_id = {name.removesuffix(".gz").removesuffix(".nii"): path for name, path in volumes.items()}
    rows = _rows(request)
    cases = [Case(by_id[i], i, split, modality="CT", report=text) for i, (split, text) in rows.items() if i in by_id]
    absent = [i for i in rows if i not in by_id]
    if not cases:
        raise request.misfit("there is none of the volumes ID.nii.gz that its list names")
    notes = [PICTURES]
    if absent:
        notes.append(f"{len(absent)} reports have no volume here: {some(absent)}.")
    if unlisted := [i for i in by_id if i not in rows]:
        notes.append(f"{len(unlisted)} volumes are not in the list and are left out: {some(unlisted)}.")
    if not any(case.split == "validation" for case in cases):
        cases = with_validation(cases, request.seed)
    return Collected(tuple(cases), tuple(notes))


def _rows(request: Request) -> dict[str, tuple[str, str]]:
    """Id → split and report. Of an id in two splits the later one counts: test over validation over training."""
    found: dict[str, tuple[str, str]] = {}
    listed = _list(request)
    for theirs, ours in SPLITS.items():
        for number, row in enumerate(listed.get(theirs, []), 1):
            try:
                name = str(row["id"]).removesuffix(".gz").removesuffix(".nii")
                texts = (
                    ("findings", row.get("report", row.get("finding"))),
                    ("impression", row.get("result", row.get("impression"))),
                )
                if texts[0][1] is None:
                    raise KeyError("report")
                found[name] = ours, "\n".join(section(k, str(t)) for k, t in texts if t and str(t).strip())
            except (KeyError, TypeError, AttributeError) as error:
                raise MedVLPError(
                    f"Row {number} of {theirs!r} in the list of {request.folder} has no id or no report.",
                    'A row is {"id": "910", "report": "...", "result": "..."}.',
                ) from error
    return found


def _list(request: Request) -> dict[str, Any]:
    """The first JSON file that has the splits as lists."""
    for path in sorted(request.folder.rglob("*.json")):
        content = _json(path)
        if isinstance(content, dict) and isinstance(content.get("train"), list):
            return {key: value for key, value in content.items() if isinstance(value, list)}
    raise request.misfit('there is no JSON file with reports in it ({"train": [...], "val": [...], "test": [...]})')


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
