"""`vlp3d evaluate phrases`: are phrases of regions of the body understood? Needs no model and no volumes.

Only means are told, not what became of each phrase: the phrases are a split that nothing is improved with.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from vlp3d_core.cli.output import print_json, print_table
from vlp3d_core.cli.search import REGIONS, cell


def add_phrases(parser: argparse.ArgumentParser) -> None:
    """The options of `vlp3d evaluate phrases`."""
    parser.add_argument("--region", choices=REGIONS, help="phrases of one region; default: all, one after the other")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback")
    parser.set_defaults(evaluate=_run)


def _run(args: argparse.Namespace) -> int:
    from vlp3d_core.evaluate.search import rows_by_kind
    from vlp3d_core.evaluate.search_regions import region_concepts, region_queries
    from vlp3d_core.evaluate.search_words import read_query

    tables = {}
    for region in [args.region] if args.region else REGIONS:
        known = region_concepts(region)
        tables[region] = rows_by_kind([read_query(query, known) for query in region_queries(region, known)])
    if args.json:
        print_json({region: [asdict(row) for row in rows] for region, rows in tables.items()})
        return 0
    lines = [
        (region, row.kind, row.n, cell(row, "resolved"), cell(row, "refused"))
        for region, rows in tables.items()
        for row in rows
    ]
    print("[95 % interval, bootstrap by phrase]\n")
    print_table(("REGION", "PHRASES", "N", "RESOLVED", "REFUSED"), lines)
    return 0
