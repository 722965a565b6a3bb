"""The result of a grid as table, JSON, CSV and picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from vlp3d_core.evaluate.scaling import (
    ScaledRun,
    Scaling,
    law_lines,
    scaling,
    table_rows,
    write_scaling_csv,
    write_scaling_json,
)
from vlp3d_core.evaluate.scaling_picture import write_scaling_picture

SUBJECTS = {0.05: 7, 0.2: 27, 1.0: 135}


def run(fraction: float, size: float, seed: int) -> ScaledRun:
    n, parameters = SUBJECTS[fraction], int(100_000 * size**2)
    error = 1.5 * n**-0.3 * size**-0.1 * (1 + 0.02 * seed)
    place = (f"{fraction}-{size}-{seed}", fraction, size, seed, n, n)
    return ScaledRun(*place, parameters, parameters + 9, error, {"Dice": 1 - error})


@pytest.fixture(scope="module")
def result() -> Scaling:
    runs = [run(f, size, seed) for seed in (0, 1) for size in (0.5, 1.0) for f in SUBJECTS]
    return scaling(runs, "1 − Dice", {"split": "test", "steps": 40})


def test_curves_over_data_and_over_parameters(result: Scaling) -> None:
    said = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (said["kind"], said["steps"], len(said["runs"]), len(said["groups"])) == ("scaling", 40, 12, 6)
    data = [c for c in said["curves"] if c["over"] == "subjects"]
    assert [c["size"] for c in data] == [0.5, 1.0]
    for curve in data:
        assert curve["power"]["b"]["value"] == pytest.approx(0.3)
        assert curve["power"]["b"]["ci95"][0] < 0.3 < curve["power"]["b"]["ci95"][1]
        assert curve["saturating"] is None and "needs 4" in curve["not_fitted"][0]
    wide = [c for c in said["curves"] if c["over"] == "encoder_parameters"]
    assert [c["fraction"] for c in wide] == [0.05, 0.2, 1.0]
    assert all(c["power"] is None and "2" in c["not_fitted"][0] for c in wide)


def test_the_table_has_means_and_spread(result: Scaling) -> None:
    heads, rows = table_rows(result)
    assert heads[-2:] == ["1 − Dice", "Dice"] and len(rows) == 6
    errors = [run(0.05, 0.5, seed).error for seed in (0, 1)]
    assert rows[0] == [
        *("0.05", "7", "0.5", "25,000", "2", f"{np.mean(errors):.3f} ± {np.std(errors, ddof=1):.3f}"),
        f"{1 - np.mean(errors):.3f} ± {np.std(errors, ddof=1):.3f}",
    ]
    lines = law_lines(result)
    assert any("size 0.5, n = subjects: " in line and "exponent 0.300 [" in line for line in lines)
    assert any(
        "fraction 1, n = encoder parameters: no law: it needs 3 different numbers of p" in line for line in lines
    )


def test_one_seed_has_no_spread() -> None:
    alone = scaling([run(1.0, 1.0, 0)], "1 − Dice", {})
    assert alone.groups[0].sd is None
    assert "±" not in "".join(table_rows(alone)[1][0])


def test_an_error_that_does_not_fall_is_said() -> None:
    flat = [
        ScaledRun("", f, 1.0, 0, n, n, 1, 1, e) for (f, n), e in zip(SUBJECTS.items(), (0.5, 0.6, 0.5), strict=True)
    ]
    assert "cannot be told" in law_lines(scaling(flat, "error", {}))[0]


def test_files(result: Scaling, tmp_path: Path) -> None:
    write_scaling_json(result, tmp_path / "s.json")
    write_scaling_csv(result, tmp_path / "s.csv")
    write_scaling_picture(result, tmp_path / "s.png")
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == json.loads(json.dumps(result.to_json()))
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["error"]) for row in rows] == [r.error for r in result.runs]
    assert float(rows[0]["Dice"]) == pytest.approx(1 - result.runs[0].error)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert {p.name for p in tmp_path.iterdir()} == {"s.json", "s.csv", "s.png"}


def test_a_single_run_has_a_picture(tmp_path: Path) -> None:
    write_scaling_picture(scaling([run(1.0, 1.0, 0)], "1 − Dice", {}), tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000
