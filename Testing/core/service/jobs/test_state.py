"""States: what can become what, files that somebody has changed, and processes that are taken for no others."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.folder import JobFolder, create, find, job_folders
from vlp3d_core.service.jobs.owner import Owner, start_of
from vlp3d_core.service.jobs.spec import JobSpec
from vlp3d_core.service.jobs.state import CHANGES, ENDED, STATE, STATES, State, read_state, write_state

SPEC = JobSpec("preprocess", "/nowhere/m.jsonl", "Öfen & Söhne")


@settings(max_examples=60)
@given(st.lists(st.sampled_from(STATES), max_size=12))
def test_only_what_is_possible_happens(wishes: list[str]) -> None:
    """Whatever is wished for, the history is a way through the allowed changes, and nothing leaves "done"."""
    state = State(changes=(("queued", "t"),), owner=Owner.of(os.getpid()))
    for wish in wishes:
        if wish in CHANGES[state.state]:
            state = state.to(wish)
        else:
            with pytest.raises(MedVLPError, match="cannot become"):
                state.to(wish)
    way = [name for name, _ in state.changes]
    assert way[0] == "queued" and all(b in CHANGES[a] for a, b in pairwise(way))
    assert "done" not in way[:-1] and way[-1] == state.state
    assert state.ended == (state.state in ENDED) and not (state.ended and state.owner)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    us = Owner.of(os.getpid())
    error = MedVLPError("Etwas ging schief.", "Tu was.")
    state = State("running", "läuft", error, us, us, 3, {"device": "cpu"}, (("queued", "t"), ("running", "u")))
    write_state(tmp_path, state)
    read = read_state(tmp_path)
    assert replace(read, error=None) == replace(state, error=None) and str(read.error) == str(error)


@settings(max_examples=40)
@given(st.binary(max_size=30) | st.recursive(st.none() | st.integers() | st.text(max_size=4), st.lists).map(repr))
def test_any_other_file_is_one_sentence(content: bytes | str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, STATE)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(MedVLPError, match=r"damaged, or was changed by hand\. Resume the job, or remove it\."):
            read_state(Path(folder))


def test_a_newer_state_is_said_to_be_newer(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text(json.dumps({"format": 9, "phase": "dreaming"}))
    with pytest.raises(MedVLPError, match=r"newer version of MedVLP\. Update"):
        read_state(tmp_path)


def test_this_process_and_no_other() -> None:
    us = Owner.of(os.getpid())
    assert us.started and us.here and not us.gone and Owner.from_json(us.to_json()) == us
    assert replace(us, started="1").gone  # its number was given to another one
    assert replace(us, boot="another").gone  # the computer was restarted since
    elsewhere = replace(us, host="elsewhere", pid=1 << 22, boot="another")
    assert not elsewhere.gone and not elsewhere.here
    assert start_of((1 << 22) + 1) is None


@pytest.mark.parametrize("value", [None, {}, {"pid": True}, {"pid": -1, "started": "", "host": "", "boot": ""}])
def test_no_process(value: object) -> None:
    with pytest.raises((KeyError, TypeError)):
        Owner.from_json(value)


def test_ids_count_on_and_are_found_by_their_beginning(tmp_path: Path) -> None:
    root = tmp_path / "Aufträge"
    made = [create(root, SPEC, State()) for _ in range(3)]
    assert [job.id for job in job_folders(root)] == [job.id for job in made]
    assert [job.id[:7] for job in made] == ["000001-", "000002-", "000003-"]
    assert find(root, "2") == find(root, "000002") == find(root, made[1].id) == made[1]
    with pytest.raises(UsageError, match="means 3 jobs"):
        find(root, "00000")
    for wrong in ("", "4", "../Aufträge", "000001-"[::-1], "*"):
        with pytest.raises(UsageError):
            find(root, wrong)
    made[1].remove()
    assert create(root, SPEC, State()).id > made[2].id
    assert [p.name for p in root.iterdir() if p.name.startswith(".")] == []
    assert made[0].spec() == SPEC


def test_a_recipe_is_kept_as_it_was(tmp_path: Path) -> None:
    recipe = tmp_path / "mein Rezept.yaml"
    recipe.write_text("steps: 1")
    job = create(tmp_path / "jobs", replace(SPEC, kind="finetune", recipe=str(recipe)), State())
    recipe.write_text("steps: 2")
    assert Path(job.spec().recipe).read_text() == "steps: 1" and Path(job.spec().recipe).parent == job.path


def test_a_job_whose_owner_is_gone_is_lost_once_and_for_all(tmp_path: Path) -> None:
    us = Owner.of(os.getpid())
    job = create(tmp_path, SPEC, State("running", owner=us))
    assert job.state().state == "running"
    write_state(job.path, State("running", owner=replace(us, boot="yesterday")))
    assert (job.state().state, read_state(job.path).state) == ("lost", "lost")
    assert "restarted" in str(job.state().error)
    write_state(job.path, State("running", owner=replace(us, host="elsewhere", boot="yesterday")))
    assert job.state().state == "running"  # nobody here can know


def test_damaged_jobs_do_not_hide_the_others(tmp_path: Path) -> None:
    made = [create(tmp_path, SPEC, State("failed")) for _ in range(5)]
    (made[0].path / "spec.json").write_text('{"kind": "pre')
    (made[1].path / "state.json").write_text('{"state"')
    (made[2].path / "spec.json").write_text('{"format": 7, "kind": "teleport"}')
    (made[3].path / "state.json").unlink()
    (tmp_path / "000099-aaaa").write_text("no folder")
    jobs = Jobs(tmp_path)
    views = jobs.list()
    assert [view.id for view in views] == [*(job.id for job in made), "000099-aaaa"]
    said = [str(view.error) for view in views]
    assert "is not JSON" in said[0] and "damaged" in said[1] and "has the format 7" in said[2]
    assert "cannot be read" in said[3] and said[4] == "None"
    assert [view.state for view in views] == ["failed", "lost", "failed", "lost", "failed", "lost"]
    assert all("\n" not in text for text in said)
    json.dumps([view.to_json() for view in views])
    for job in made:
        jobs.remove(job.id)
    assert [job.id for job in job_folders(tmp_path)] == ["000099-aaaa"]


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MedVLPError, match="cannot be listed"):
        Jobs(tmp_path / "file").list()
    with pytest.raises(MedVLPError, match="No job can be made"):
        create(tmp_path / "file" / "jobs", SPEC, State())
    assert Jobs(tmp_path / "missing").list() == []
    assert JobFolder(tmp_path / "x").asked_to_stop is False
