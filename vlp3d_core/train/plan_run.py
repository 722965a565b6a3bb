"""Plans a run from its manifest, and writes the plan as a recipe to read, to change and to give again."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.files import replacing
from vlp3d_core.model.encoders import build_encoder
from vlp3d_core.progress import Progress, silent
from vlp3d_core.train.case_facts import case_facts, from_header
from vlp3d_core.train.cases import fraction
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.init_settings import init_settings
from vlp3d_core.train.manifest import write_manifest
from vlp3d_core.train.plan import Budget, Plan, by, plan
from vlp3d_core.train.plan_cases import Chosen, choose, few, only, structures_in
from vlp3d_core.train.plan_early import MODALITIES, checked_early, template_of
from vlp3d_core.train.processes import leads
from vlp3d_core.train.run_folder import SETTINGS
from vlp3d_core.train.settings import changes, checked
from vlp3d_core.train.slurm import restarted
from vlp3d_core.train.trainer import LAST
from vlp3d_core.volume.normalise import Normalisation

RECIPE, MANIFEST = "recipe.yaml", "manifest.jsonl"


@dataclass(frozen=True)
class Planned:
    """A run that can start.

    Attributes:
        recipe: a file with all its settings.
        manifest: the one given, or one in the run's folder where volumes are left out or held out.
        notes: what the user should know; () where another process of the run says it.
    """

    recipe: Path
    manifest: Path
    notes: tuple[str, ...] = ()


def plan_run(
    manifest: Path,
    out: Path,
    size: str = "small",
    words: Sequence[str] = (),
    init: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Planned:
    """Plan a segmentation and write `out/recipe.yaml`; a run that is resumed keeps the settings that it has.

    Args:
        size: "small" or "base", of the template `segment-SIZE`.
        words: `key=value` changes, which win over what is planned.
        init: the run or bundle to start from; the plan keeps to what its weights fit.

    Raises:
        MedVLPError: the manifest, a volume, `init` or the run folder cannot be used; then nothing is written.
        UsageError: a change that makes no sense.
    """
    own = out / MANIFEST
    if (out / LAST).is_file() and not (resume or restarted()):
        raise MedVLPError(f"{out} already holds a run.", "Go on with --resume, or choose another folder.")
    if resume or (out / LAST).is_file():
        if not ((out / LAST).is_file() and (out / SETTINGS).is_file()):
            raise MedVLPError(f"There is no checkpoint to resume in {out}.", "Start the run without --resume.")
        return Planned(out / SETTINGS, own if own.is_file() else manifest)
    template, budget, path = template_of(size)
    given = changes(words, template)
    early = checked_early({**template, **given}, path)
    wanted = early.concepts if "concepts" in given else ()
    chosen = choose(manifest, given.get("modality", ""), wanted)
    settings, notes = _settings(chosen, early, template, budget, given, init, out, progress)
    config = checked(FinetuneConfig, settings, path)
    Normalisation.from_json(config.normalisation)
    out.mkdir(parents=True, exist_ok=True)
    if chosen.notes:
        absolute = (replace(c, image=c.image.resolve(), label=c.label and c.label.resolve()) for c in chosen.cases)
        write_manifest(absolute, own)
    else:
        own.unlink(missing_ok=True)  # of a run that never began
    used = own if chosen.notes else manifest
    _write(out / RECIPE, settings, notes, used, init)
    return Planned(out / RECIPE, used, tuple(notes) if leads(config) else ())


def _settings(
    chosen: Chosen,
    early: FinetuneConfig,
    template: Mapping[str, Any],
    budget: Budget,
    given: Mapping[str, Any],
    init: Path | None,
    out: Path,
    progress: Progress,
) -> tuple[dict[str, Any], list[str]]:
    """All settings that do not keep their defaults, and the notes."""
    train = fraction(chosen.of("train"), early.label_fraction, early.seed)
    concepts = list(early.concepts) if "concepts" in given else structures_in(train)
    cases = [case for case in train if case.label is not None and set(case.labels.values()) & set(concepts)]
    facts = case_facts(cases, concepts, progress)
    modality = given.get("modality") or only([f.modality for f in facts])
    if not modality:
        raise MedVLPError(
            "The modality of the training volumes is not known.",
            f"Write it into the manifest, or say it: modality={' or modality='.join(MODALITIES)}.",
        )
    taken, said = init_settings(init, modality) if init is not None else ({}, "")
    fixed = {**taken, **given}
    validated = [from_header(case).extent for case in chosen.of("validation")]
    planned = plan(facts, validated, modality, budget, _stride({**template, **fixed}), fixed)
    undrawn = set(planned.settings["concepts"]) ^ set(concepts)
    notes = [planned.text, said, *chosen.notes]
    notes += [f"Named in the manifest, but drawn in no training volume: {few(undrawn)}."] if undrawn else []
    about = _about(planned, out, len(cases))
    return {**about, **planned.settings, **template, **fixed}, [note for note in notes if note]


def model_name(out: Path) -> str:
    """The run folder's name as a model may be called: small letters, digits, dots, dashes."""
    name = re.sub(r"[^a-z0-9._-]+", "-", out.resolve().name.lower()).strip("._-")
    return name[:64] or "model"


def _about(planned: Plan, out: Path, volumes: int) -> dict[str, Any]:
    """What the card says of a model that nobody has described."""
    names, spacing = planned.settings["concepts"], planned.settings["spacing"]
    modality = planned.settings["modality"]
    return {
        "name": model_name(out),
        "title": f"{modality}, {len(names)} structures" if len(names) > 1 else f"{modality}, {names[0]}",
        "description": f"Segmentation of {few(names)}.",
        "licence": "not stated",
        "limits": [f"Planned and trained on {volumes} volumes, at {by(spacing)} mm; nobody has described them."],
    }


def _stride(settings: Mapping[str, Any]) -> int:
    """Of the encoder, built without memory for its weights."""
    name, options = settings["encoder"], settings["encoder_options"]
    try:
        with torch.device("meta"):
            return build_encoder(name, **options).stride
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The encoder {name} cannot have the options {options}.", "Correct encoder_options."
        ) from error


def _write(file: Path, settings: Mapping[str, Any], notes: Sequence[str], manifest: Path, init: Path | None) -> None:
    """A recipe whose comments say where it came from."""
    start = f" --init {shlex.quote(str(init))}" if init is not None else ""
    command = (
        f"vlp3d finetune --recipe {shlex.quote(str(file))} --manifest {shlex.quote(str(manifest))} --out RUN{start}"
    )
    lines = [line for note in notes for line in textwrap.wrap(_printable(note), 118)]
    lines.append(_printable(f"  {command}"))
    text = yaml.safe_dump(dict(settings), sort_keys=False, default_flow_style=None, width=118)
    with replacing(file) as temporary:
        temporary.write_text("".join(f"# {line}\n" for line in lines) + text, encoding="utf-8")


def _printable(text: str) -> str:
    """Names of subjects and files may hold what would end a comment or what YAML refuses."""
    return "".join(c if c.isprintable() else "?" for c in text)
