"""A whole manifest: kept as it goes on, taken up again, and nothing of a person's is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.train.captioning import Left, Made, caption_manifest, corrected
from vlp3d_core.train.captioning.facts import FactsMaker
from vlp3d_core.train.manifest import Case, read_manifest, write_manifest
from vlp3d_core.volume import Volume


class Counting:
    """Numbers its texts; stops where it is told."""

    name, settings = "counting", dict[str, str]()

    def __init__(self, stop_before: int = 99, error: type[BaseException] = KeyboardInterrupt, version: str = "1"):
        self.texts, self.stop_before, self.error, self.version = 0, stop_before, error, version

    def caption(self, case: Case, volume: Volume | None = None) -> Made | Left:
        if self.texts == self.stop_before:
            raise self.error
        self.texts += 1
        return Made(f"Text {self.texts} of version {self.version}.", "whole volume")


@pytest.fixture
def manifest(cases: list[Case], tmp_path: Path) -> Path:
    write_manifest(cases, tmp_path / "m.jsonl")
    return tmp_path / "m.jsonl"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "m2.jsonl"


def texts(path: Path) -> list[str]:
    return [case.report for case in read_manifest(path)]


def edit(path: Path, number: int, **changes: object) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[number] |= changes
    path.write_text("\n".join(json.dumps({k: v for k, v in row.items() if v is not None}) for row in rows))


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled, MemoryError])
def test_what_was_made_is_kept_and_the_same_command_goes_on(
    manifest: Path, out: Path, error: type[BaseException]
) -> None:
    with pytest.raises(MemoryError if error is MemoryError else Cancelled) as stopped:
        caption_manifest(manifest, out, Counting(2, error))
    assert error is MemoryError or "2 of 3 volumes have a text" in str(stopped.value)
    assert texts(out) == ["Text 1 of version 1.", "Text 2 of version 1.", ""]
    maker = Counting()
    caption_manifest(manifest, out, maker)
    assert maker.texts == 1 and texts(out) == ["Text 1 of version 1.", "Text 2 of version 1.", "Text 1 of version 1."]
    assert sorted(p.name for p in out.parent.iterdir()) == ["m.jsonl", "m2.jsonl"]


def test_a_run_that_was_killed_loses_nothing(manifest: Path, out: Path) -> None:
    part = out.with_name("m2.jsonl.part")
    with pytest.raises(Cancelled):
        caption_manifest(manifest, out, Counting(2))
    out.unlink()  # a killed run writes no manifest, and may leave half a line
    part.write_text(part.read_text() + '{"image": "/x", "repo')
    maker = Counting(1)
    with pytest.raises(Cancelled):
        caption_manifest(manifest, out, Counting(0))
    caption_manifest(manifest, out, maker)
    assert maker.texts == 1 and not part.exists()
    assert texts(out) == ["Text 1 of version 1.", "Text 2 of version 1.", "Text 1 of version 1."]


def test_a_killed_run_is_taken_up_by_another_maker(manifest: Path, out: Path) -> None:
    with pytest.raises(Cancelled):
        caption_manifest(manifest, out, Counting(1))
    out.unlink()
    with pytest.raises(Cancelled):
        caption_manifest(manifest, out, Counting(1, version="2"))
    assert texts(out) == ["Text 1 of version 1.", "Text 1 of version 2.", ""]


def test_again_goes_on_where_it_was_stopped(manifest: Path, out: Path) -> None:
    caption_manifest(manifest, out, Counting())
    with pytest.raises(Cancelled):
        caption_manifest(manifest, out, Counting(2, version="2"), again=True)
    maker = Counting(version="2")
    caption_manifest(manifest, out, maker, again=True)
    assert maker.texts == 1 and all("version 2" in text for text in texts(out))
    caption_manifest(manifest, out, maker, again=True)
    assert maker.texts == 4, "a run that was finished is made anew as a whole"


def test_a_correction_by_hand_stays(manifest: Path, out: Path) -> None:
    caption_manifest(manifest, out, Counting())
    edit(out, 0, report="A corrected text.")
    edit(out, 1, report="A text of my own.", caption=None)
    edit(out, 2, report=None)
    cases = read_manifest(out)
    assert [corrected(case) for case in cases] == [True, False, False]
    maker = Counting()
    caption_manifest(manifest, out, maker)
    assert maker.texts == 1
    assert texts(out) == ["A corrected text.", "A text of my own.", "Text 1 of version 1."]
    made = caption_manifest(manifest, out, Counting(), again=True)
    assert texts(out) == ["Text 1 of version 1.", "A text of my own.", "Text 2 of version 1."]
    assert made.notes == ("Made anew, although corrected by hand: 1.",)


def test_a_correction_wins_over_what_an_interrupted_run_kept(manifest: Path, out: Path) -> None:
    with pytest.raises(Cancelled):
        caption_manifest(manifest, out, Counting(2))
    edit(out, 0, report="A corrected text.")
    caption_manifest(manifest, out, Counting())
    assert texts(out)[0] == "A corrected text."


def test_a_report_that_came_later_wins(manifest: Path, out: Path) -> None:
    caption_manifest(manifest, out, Counting())
    edit(manifest, 1, report="Written by a person.")
    caption_manifest(manifest, out, Counting(), again=True)
    assert texts(out)[1] == "Written by a person." and not read_manifest(out)[1].caption


def test_in_place(manifest: Path) -> None:
    caption_manifest(manifest, manifest, FactsMaker())
    before = manifest.read_bytes()
    maker = Counting()
    caption_manifest(manifest, manifest, maker)
    assert maker.texts == 0 and manifest.read_bytes() == before


def test_an_unreadable_volume_is_noted_and_the_others_follow(cases: list[Case], tmp_path: Path, out: Path) -> None:
    broken, flat = tmp_path / "broken.nii.gz", tmp_path / "empty.nrrd"
    broken.write_bytes(cases[0].image.read_bytes()[:300])
    flat.touch()
    write_manifest([replace(cases[0], image=broken), replace(cases[1], image=flat), cases[2]], tmp_path / "m.jsonl")
    made = caption_manifest(tmp_path / "m.jsonl", out, Counting())
    assert texts(out) == ["", "", "Text 1 of version 1."]
    assert len(made.notes) == 2 and broken.name in made.notes[0] and "is empty" in made.notes[1]


def test_lines_that_went_away_are_counted(cases: list[Case], tmp_path: Path, out: Path) -> None:
    gone = tmp_path / "gone.nii.gz"
    shutil.copy(cases[0].image, gone)
    write_manifest([*cases, replace(cases[0], image=gone)], tmp_path / "m.jsonl")
    caption_manifest(tmp_path / "m.jsonl", out, Counting())
    gone.unlink()
    write_manifest(cases, tmp_path / "m.jsonl")
    made = caption_manifest(tmp_path / "m.jsonl", out, Counting())
    assert made.notes == ("Lines of the earlier m2.jsonl that are not in m.jsonl any more: 1.",)


def test_an_output_that_is_something_else_is_not_overwritten(manifest: Path, out: Path) -> None:
    out.write_text("my letters\n")
    with pytest.raises(UsageError, match="no manifest to go on with"):
        caption_manifest(manifest, out, Counting())
    assert out.read_text() == "my letters\n"


def test_the_manifest_of_other_volumes_is_not_overwritten(cases: list[Case], tmp_path: Path, out: Path) -> None:
    write_manifest(cases[:1], out)
    before = out.read_bytes()
    write_manifest(cases[1:], tmp_path / "m.jsonl")
    with pytest.raises(UsageError, match="other volumes"):
        caption_manifest(tmp_path / "m.jsonl", out, Counting())
    assert out.read_bytes() == before


def test_a_folder_that_cannot_be_written(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(MedVLPError, match="Cannot write"):
        caption_manifest(manifest, tmp_path / "nowhere" / "m2.jsonl", Counting())


def test_older_manifests_and_programs_read_the_captions(manifest: Path, out: Path) -> None:
    caption_manifest(manifest, out, FactsMaker())
    for line in out.read_text().splitlines():
        about: Mapping[str, object] = json.loads(line)["caption"]
        assert {"maker", "version", "crop"} <= set(about) and all(isinstance(v, str) for v in about.values())
