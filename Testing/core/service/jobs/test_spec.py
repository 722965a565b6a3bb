"""Specs: what is read is what is written, what is wrong is said in words, and a spec is one command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.cli.main import COMMANDS, build_parser
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.service.jobs.command import CHECKPOINT, arguments
from vlp3d_core.service.jobs.spec import JobSpec, Resources, parse_spec, read_spec

MINIMAL = {"kind": "finetune", "manifest": "m.jsonl", "recipe": "r"}
KINDS: list[dict[str, Any]] = [
    {"kind": "pretrain", "method": "gtgm", "recipe": "base", "overrides": {"steps": 3}, "options": {"seed": 4}},
    {"kind": "finetune", "recipe": "ct-head-neck", "overrides": ["steps=3"], "options": {"label-fraction": 0.5}},
    {"kind": "evaluate", "method": "segmentation", "options": {"model": "ct-head-neck", "split": "validation"}},
    {"kind": "evaluate", "method": "retrieval", "options": {"checkpoint": "runs/a", "shuffle-images": True}},
    {"kind": "preprocess"},
    {"kind": "caption", "options": {"maker": "vlm", "vlm": "a/b", "download": False, "slices": 2}},
]
texts = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20)
numbers = st.floats(0.1, 1e4, allow_nan=False)
specs = st.builds(
    JobSpec,
    kind=st.just("finetune"),
    manifest=texts,
    name=texts,
    target=st.sampled_from(["local", "slurm:große Maschine"]),
    recipe=texts,
    overrides=st.lists(st.builds("{}={}".format, st.sampled_from(["steps", "patch"]), texts), max_size=3).map(tuple),
    options=st.dictionaries(st.sampled_from(["init", "seed"]), st.one_of(texts, numbers, st.booleans())),
    resources=st.builds(Resources, st.none() | st.integers(0, 8), st.none() | numbers, numbers),
)


@settings(max_examples=50)
@given(specs)
def test_what_is_written_is_read(spec: JobSpec) -> None:
    assert parse_spec(json.loads(json.dumps(spec.to_json()))) == spec


@settings(max_examples=30)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists) | st.builds(dict))
def test_nonsense_is_refused_in_one_sentence(value: Any) -> None:
    for nonsense in (value, {**MINIMAL, "resources": value}, {**MINIMAL, "overrides": {"a": 1}, "options": value}):
        if value == {} and isinstance(nonsense, dict) and "kind" in nonsense:
            parse_spec(nonsense)
            continue
        with pytest.raises(UsageError) as caught:
            parse_spec(nonsense)
        assert caught.value.remedy and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "dance"}, "kind: 'dance' is not one of"),
        ({"recipe": None}, "recipe: None is not of type 'string'"),
        ({"stepz": 1}, "'stepz' was unexpected"),
        ({"method": "gtgm"}, "'method' means nothing with the kind 'finetune'"),
        ({"options": {"inti": "a"}}, "options: 'inti' is not one of"),
        ({"overrides": ["--out=/etc"]}, "overrides"),
        ({"overrides": {"a b": 1}}, "overrides"),
        ({"resources": {"gpus": -1}}, "resources/gpus: -1 is less than the minimum of 0"),
        ({"target": "ssh"}, "target"),
        ({"target": "slurm:../x"}, "target"),
        ({"name": "two\nlines"}, "characters that no file name"),
        ({"manifest": "a\0b"}, "characters that no file name"),
        ({"format": 2}, "has the format 2, and this version of MedVLP knows up to 1. Update"),
        ({"format": "old"}, "format: 1 was expected"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({**MINIMAL, **change}), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_spec(path)
    assert said in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("missing", ["kind", "manifest", "recipe"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(UsageError, match=f"'{missing}' is a required property"):
        parse_spec({key: value for key, value in MINIMAL.items() if key != missing})


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "is not JSON"), (b'{"kind": NaN}', "is not JSON"), (b"\xff\xfe", "is not JSON"), (None, "Cannot read")],
)
def test_files_that_are_no_json(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "ein Auftrag.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MedVLPError, match=said):
        read_spec(path)


def test_relative_paths_are_those_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "Übung 1"
    (folder / "runs").mkdir(parents=True)
    (folder / "r.yaml").write_text("steps: 1")
    path = folder / "job.json"
    spec = {**MINIMAL, "recipe": "r.yaml", "options": {"init": "runs"}}
    path.write_text("\ufeff" + json.dumps(spec), encoding="utf-8")  # as Windows' editors begin a file
    read = read_spec(path)
    assert (read.manifest, read.recipe) == (str(folder / "m.jsonl"), str(folder / "r.yaml"))
    assert read.options == {"init": str(folder / "runs")}
    (folder / "r.yaml").unlink()
    (folder / "runs").rmdir()
    assert (read_spec(path).recipe, read_spec(path).options) == ("r.yaml", {"init": "runs"})


@pytest.mark.parametrize("value", KINDS, ids=lambda value: f"{value['kind']} {value.get('method', '')}".strip())
@pytest.mark.parametrize("resume", [False, True])
def test_the_command_understands_its_words(value: dict[str, Any], resume: bool, tmp_path: Path) -> None:
    """Each kind of job is parsed by the command itself, and ends up where it belongs."""
    from importlib import import_module

    spec = parse_spec({"manifest": "-m odd.jsonl", **value})
    folder = tmp_path / "ein Job"
    words = arguments(spec, folder, resume)
    command = words[0]
    assert command in COMMANDS
    args = build_parser(command, import_module(f"vlp3d_core.cli.{command}")).parse_args(
        [word if word != "-m odd.jsonl" else str(tmp_path / word) for word in words]
    )
    assert args.json and "odd.jsonl" in str(args.manifest)
    if value["kind"] in ("pretrain", "finetune"):
        assert args.out == folder / "run" and args.resume == resume
        assert [*getattr(args, "changes", ()), *getattr(args, "words", ())] == ["steps=3"]
        assert args.recipe == value["recipe"]
    for name, expected in value.get("options", {}).items():
        assert str(getattr(args, name.replace("-", "_"))) == str(expected)


def test_values_of_overrides_are_yaml() -> None:
    """What a form gives as JSON reaches the settings as the same value."""
    import yaml

    values = {"patch": [32, 32, 32], "name": "a: b # c", "ema": 1e-05, "limits": ["ä"], "mode": None, "x": {"y": True}}
    spec = parse_spec({**MINIMAL, "overrides": values})
    read = {key: yaml.safe_load(text) for key, text in (word.split("=", 1) for word in spec.overrides)}
    assert read == {**values, "ema": "1e-05"}  # YAML's own habit; `train.settings` takes it for a number
    assert [word for word in arguments(spec, Path("/j")) if word in spec.overrides] == list(spec.overrides)


def test_where_a_run_puts_things() -> None:
    """Said here without importing the trainer, which needs torch."""
    from vlp3d_core.train.checkpoints import LAST

    assert Path("run", LAST) == CHECKPOINT
