"""The table of jobs: what it shows, what it keeps, and what happens to folders under its eyes."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from Testing.wiring.jobs.material import WAY, copies, log_row, make_job, write_best
from vlp3d_core.service.jobs.doing import FILE, telling
from vlp3d_core.service.jobs.folder import SPEC
from vlp3d_core.service.jobs.state import STATE


def test_each_state_in_a_word_newest_first(bench: Any) -> None:
    assert bench.look() == []
    for state in WAY:
        make_job(bench.jobs.root, state, f"Lauf {state}")
    words = [row[1] for row in bench.look()]
    assert words == ["lost", "stopped", "failed", "done", "finishes", "runs", "waits"]
    assert bench.rows()[1][0] == "Lauf cancelled"
    icons = {bench.ui.jobTree.topLevelItem(n).icon(1).cacheKey() for n in range(7)}
    assert len(icons) == 7


def test_a_row_follows_its_job(bench: Any) -> None:
    job = make_job(bench.jobs.root)
    assert bench.look() == [["Leber", "runs", "3 of 100", "1", "0.3333", "", "", "this computer"]]
    item = bench.ui.jobTree.topLevelItem(0)
    write_best(job, 0.8125, 3)
    log_row(job, 9, 0.25)
    row = bench.look()[0]
    assert row[:6] == ["Leber", "runs", "10 of 100", "1", "0.25", "0.812"]
    assert row[6], "the pace is known after two looks"
    assert item.toolTip(5) == "val_dice after step 3"
    job.change("finishing", "It saves and stops.")
    job.change("cancelled", "The state after step 10 is saved.")
    assert bench.look()[0][1:7] == ["stopped", "10 of 100", "1", "0.25", "0.812", ""]
    assert "step 10 is saved" in item.toolTip(0)
    assert bench.ui.jobTree.topLevelItem(0) == item, "the same row, written anew"


def test_what_is_done_before_the_first_step(bench: Any) -> None:
    job = make_job(bench.jobs.root, rows=0)
    telling(job.path / FILE)("preparing 12 of 200", 0.06)
    assert bench.look() == [["Leber", "runs", "preparing 12 of 200", "", "", "", "", "this computer"]]
    bench.choose(job.id)
    assert bench.ui.jobAboutLabel.text.startswith("Fine-tuning, runs, preparing 12 of 200, since")
    log_row(job, 0, 0.5)
    assert bench.look()[0][2] == "1 of 100"


def test_all_of_it_is_there_again_after_a_restart(bench: Any) -> None:
    for state in WAY:
        write_best(make_job(bench.jobs.root, state), 0.5, 2)
    before = bench.look()
    bench.start()
    assert bench.rows() == []
    assert bench.look() == before


def test_the_choice_is_kept_while_jobs_come_and_change(bench: Any) -> None:
    jobs = [make_job(bench.jobs.root, name=f"Lauf {n}") for n in range(3)]
    bench.look()
    bench.choose(jobs[1].id)
    log_row(jobs[1], 20, 0.125)
    new = make_job(bench.jobs.root, name="Neu")
    assert [row[0] for row in bench.look()] == ["Neu", "Lauf 2", "Lauf 1", "Lauf 0"]
    assert bench.box.table.chosen == jobs[1].id and bench.ui.jobTree.currentItem().text(0) == "Lauf 1"
    assert bench.ui.jobTree.currentItem().text(2) == "21 of 100"
    shutil.rmtree(jobs[0].path)
    shutil.rmtree(new.path)
    assert [row[0] for row in bench.look()] == ["Lauf 2", "Lauf 1"]
    assert bench.box.table.chosen == jobs[1].id


def test_a_job_that_was_just_submitted_is_chosen_when_it_comes(bench: Any) -> None:
    make_job(bench.jobs.root)
    bench.look()
    job = make_job(bench.jobs.root, name="Neu")
    bench.box.selectJob(job.id)
    assert bench.box.table.chosen == ""
    bench.look()
    assert bench.box.table.chosen == job.id and bench.ui.jobAboutLabel.text.startswith("Fine-tuning, runs, since 20")


def test_the_chosen_folder_is_deleted(bench: Any) -> None:
    """No neighbour is chosen in its place: the next click would meet a job that nobody meant."""
    make_job(bench.jobs.root, name="Nachbar")
    job = make_job(bench.jobs.root)
    bench.look()
    bench.choose(job.id)
    assert bench.ui.jobLogEdit.plainText == "It begins."
    shutil.rmtree(job.path)
    assert [row[0] for row in bench.look()] == ["Nachbar"]
    assert bench.box.table.chosen == "" and bench.ui.jobTree.currentItem() is None
    assert bench.ui.jobAboutLabel.text == "" and bench.ui.jobLogEdit.plainText == ""
    assert bench.button("Stop").toolTip == "Choose a job in the table first."


@pytest.mark.parametrize(
    ("name", "content", "word", "says"),
    [
        (STATE, '{"state": "flying"}', "cannot be read", "is damaged, or was changed by hand. Resume the job"),
        (STATE, '{"format": 99}', "cannot be read", "newer version"),
        (SPEC, "[]", "cannot be read", "cannot be used"),
        (SPEC, '{"format": 99, "kind": "x", "manifest": "y"}', "cannot be read", "Update vlp3d-core"),
    ],
)
def test_what_cannot_be_read_says_so_in_a_sentence(bench: Any, name: str, content: str, word: str, says: str) -> None:
    good, job = make_job(bench.jobs.root), make_job(bench.jobs.root)
    if name == STATE:
        bench.look()  # broken under its eyes; a spec is read once
    (job.path / name).write_text(content, encoding="utf-8")
    rows = bench.look()
    assert [row[1] for row in rows] == [word, "runs"]
    assert rows[0][0] == ("Leber" if name == STATE else "Job 2")
    bench.choose(job.id)
    assert says in bench.ui.jobAboutLabel.text and "#d64541" in bench.ui.jobAboutLabel.styleSheet
    assert says in bench.ui.jobTree.topLevelItem(0).toolTip(1)
    bench.choose(good.id)
    assert "#d64541" not in bench.ui.jobAboutLabel.styleSheet


def test_a_failed_job_says_why(bench: Any) -> None:
    job = make_job(bench.jobs.root, "failed")
    bench.look()
    bench.choose(job.id)
    assert bench.ui.jobAboutLabel.text.endswith("The loss is not a number. Lower the learning rate.")


def test_the_log_follows(bench: Any) -> None:
    job = make_job(bench.jobs.root)
    (job.path / "log.txt").write_text("".join(f"Zeile {n}\n" for n in range(5000)), encoding="utf-8")
    bench.look()
    bench.choose(job.id)
    lines = bench.ui.jobLogEdit.plainText.splitlines()
    assert lines[-1] == "Zeile 4999" and 100 < len(lines) <= 1000
    assert all(line.startswith("Zeile ") for line in lines), "no half line"
    with (job.path / "log.txt").open("a", encoding="utf-8") as file:
        file.write("Schritt 7: Verlust 0,5 ä\nhalb")
    bench.look()
    assert bench.ui.jobLogEdit.plainText.endswith("Zeile 4999\nSchritt 7: Verlust 0,5 ä")


def test_two_hundred_jobs(bench: Any) -> None:
    jobs = copies(make_job(bench.jobs.root), 199)
    assert [row[0] for row in bench.look()] == [*(job.id for job in reversed(jobs)), "Leber"]
    bench.choose(jobs[17].id)
    for job in jobs:
        log_row(job, 49, 0.5)
    assert [row[2] for row in bench.look()] == [*["50 of 100"] * 199, "3 of 100"]
    assert bench.ui.jobTree.currentItem().text(0) == jobs[17].id


def test_a_tick_without_time_writes_one_row_and_the_next_ones_go_on(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from MedVLPTrainLib import JobsBox

    monkeypatch.setattr(JobsBox, "TABLE", -1.0)
    for n in range(3):
        make_job(bench.jobs.root, name=f"Lauf {n}")
    shown = []
    for _ in range(4):
        bench.box.refresh()
        shown.append([row[0] for row in bench.rows()])
    newest_first = ["Lauf 2", "Lauf 1", "Lauf 0"]
    assert shown == [newest_first[:1], newest_first[:2], newest_first, newest_first]


def test_the_timer_runs_while_somebody_looks_or_a_job_runs(bench: Any) -> None:
    job = make_job(bench.jobs.root)
    timer = bench.box._timer
    assert not timer.active
    bench.box.enter()
    bench.until(bench.rows)
    log_row(job, 30, 0.5)
    bench.until(lambda: bench.rows()[0][2] == "31 of 100")
    bench.box.exit()
    bench.until(lambda: timer.interval == 2000)
    assert timer.active, "a job runs"
    job.change("finishing")
    job.change("done")
    bench.until(lambda: not timer.active)
    assert bench.rows()[0][1] == "done"
    bench.box.enter()
    bench.until(lambda: timer.interval == 250)
    bench.box.close()
    assert not timer.active
