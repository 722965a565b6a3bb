"""`vlp3d manifest`: list the volumes of a folder for training, and look through them before a run."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlp3d_core.cli.options import whole
from vlp3d_core.cli.output import print_json, progress_bar
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vlp3d_core.train.manifest import Case

SHOWN = 20
PLAIN = "plain"


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("manifest", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    build = kinds.add_parser(
        "build",
        help="make one from a folder of volumes",
        epilog=_layouts(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("folder", type=Path, metavar="FOLDER", help="volumes, label maps beside them, DICOM folders")
    build.add_argument(
        "--layout", metavar="NAME", default=PLAIN, help="of a public data set, see below; default: what the names say"
    )
    build.add_argument("--modality", metavar="MR", help="CT, MR, EM or PT, where a name does not say it")
    build.add_argument("--reports", type=Path, metavar="CSV", help="a column for the volume, one or more for the text")
    build.add_argument("--channel", metavar="NAME", default="", help="msd: of volumes with several; default the first")
    build.add_argument("--seed", type=whole, default=0, help="of the splits by subject; default 0")
    build.add_argument("-o", "--output", required=True, type=Path, metavar="M.jsonl")
    look = kinds.add_parser("check", help="open every file; say what is missing, double, misplaced or unnamed")
    look.add_argument("manifest", type=Path, metavar="M.jsonl")
    for one, action in ((build, _build), (look, _check)):
        one.add_argument("--json", action="store_true", help="print JSON")
        one.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
        one.set_defaults(action=action)


def run(args: argparse.Namespace) -> int:
    code: int = args.action(args)
    return code


def _build(args: argparse.Namespace) -> int:
    from vlp3d_core.cli.options import check_folders
    from vlp3d_core.train.manifest import write_manifest
    from vlp3d_core.volume.modality import parse_modality

    check_folders([args.output])
    modality = parse_modality(args.modality) if args.modality else ""
    cases, notes = _plain(args) if args.layout == PLAIN else _published(args)
    cases = [replace(case, modality=case.modality or modality) for case in cases]
    write_manifest(cases, args.output)
    if args.json:
        print_json({"manifest": args.output, **_counts(cases), "notes": notes})
        return 0
    for note in notes[:SHOWN]:
        print(f"note: {note}")
    if len(notes) > SHOWN:
        print(f"note: and {len(notes) - SHOWN} more (--json lists all)")
    print(f"{args.output}: {_summary(cases)}")
    return 0


def _plain(args: argparse.Namespace) -> tuple[list[Case], list[str]]:
    """By the names of files and folders."""
    from vlp3d_core.train.collect import collect
    from vlp3d_core.train.reports_csv import Reports

    if args.channel:
        raise UsageError("--channel is for --layout msd.", "Leave it away, or save the channel as a 3D file.")
    reports = Reports(args.reports) if args.reports else None
    collected = collect(args.folder, reports, args.seed)
    home = args.folder.resolve()
    cases = [replace(c, image=home / c.image, label=c.label and home / c.label) for c in collected.cases]
    return cases, [*(reports.notes if reports else ()), *collected.notes]


def _published(args: argparse.Namespace) -> tuple[list[Case], list[str]]:
    """By the layout of a public data set; what has to be converted goes beside the manifest."""
    from vlp3d_core.train.importers.registry import layout
    from vlp3d_core.train.importers.request import Request

    chosen = layout(args.layout)
    if args.reports:
        raise UsageError(
            f"--reports is not for --layout {chosen.name}.", "Leave it away: the layout knows its reports."
        )
    if args.channel and chosen.name != "msd":
        raise UsageError("--channel is for --layout msd.", "Leave it away.")
    out = args.output.with_name(f"{args.output.stem}-volumes")
    with progress_bar(args.json) as progress:
        collected = chosen.read(Request(args.folder, out, args.seed, args.channel, progress))
    return list(collected.cases), [f"{chosen.name}: {chosen.licence}.", *collected.notes]


def _layouts() -> str:
    from vlp3d_core.train.importers.registry import LAYOUTS

    lines = [f"  {one.name:<12} {one.about}\n{'':<15}{one.expects}" for one in LAYOUTS.values()]
    return "layouts of public data sets:\n" + "\n".join(lines)


def _check(args: argparse.Namespace) -> int:
    """Exit code 1 when a run would stop or learn something wrong."""
    from vlp3d_core.train.inspect import grouped, inspect_manifest

    with progress_bar(args.json) as progress:
        cases, remarks = inspect_manifest(args.manifest, progress)
    errors = sum(r.level == "error" for r in remarks)
    if args.json:
        found = {
            "remarks": [asdict(remark) for remark in remarks],
            "groups": [asdict(group) for group in grouped(remarks)],
        }
        counts = {"labels": _labels(cases), "spacings": _spacings(cases)}
        print_json({"manifest": args.manifest, **_counts(cases), **counts, **found})
    else:
        for group in grouped(remarks):
            print(f"{group.level}: {group}")
        print(f"{args.manifest}: {_summary(cases)}; {errors} errors, {len(remarks) - errors} warnings")
    return 1 if errors else 0


def _counts(cases: Iterable[Case]) -> dict[str, Any]:
    cases = list(cases)
    return {
        "volumes": len(cases),
        "subjects": len({c.subject for c in cases}),
        "splits": dict(Counter(c.split for c in cases)),
        "modalities": dict(Counter(c.modality or "unknown" for c in cases)),
        "with_label": sum(c.label is not None for c in cases),
        "with_report": sum(bool(c.report) for c in cases),
        "reports": dict(Counter(c.split for c in cases if c.report)),
        "with_findings": sum(bool(c.findings) for c in cases),
    }


def _labels(cases: Iterable[Case]) -> dict[str, int]:
    """Concept → volumes whose label map names it."""
    return dict(Counter(name for case in cases if case.label is not None for name in set(case.labels.values())))


def _spacings(cases: Iterable[Case]) -> dict[str, int]:
    """ "0.98 x 0.98 x 3" (mm, along the axes next to R, A and S) → volumes; those that cannot be read are left out."""
    from vlp3d_core.errors import MedVLPError
    from vlp3d_core.train.case_facts import from_header
    from vlp3d_core.train.plan import by

    found: Counter[str] = Counter()
    for case in cases:
        with suppress(MedVLPError):  # a remark says so already
            found[by(from_header(case).spacing)] += 1
    return dict(found)


def _summary(cases: Iterable[Case]) -> str:
    counts = _counts(cases)
    splits = ", ".join(f"{n} {split}" for split, n in counts["splits"].items())
    return (
        f"{counts['volumes']} volumes of {counts['subjects']} subjects ({splits}), "
        f"{counts['with_label']} with labels, {counts['with_report']} with a report, "
        f"{counts['with_findings']} with findings"
    )
