"""The report page of a run: one HTML file that loads nothing, runs nothing and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from vlp3d_core.evaluate.retrieval import Direction
from vlp3d_core.evaluate.run_curves import Curve, draw_curves
from vlp3d_core.evaluate.run_examples import Answer, Search, Study

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #d5dae0}h3{font-size:1rem}
table{border-collapse:collapse;margin:.6rem 0}th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}
th{font-weight:600}td.n{font-variant-numeric:tabular-nums}code,pre{font-size:.85em;overflow-wrap:anywhere}
pre{white-space:pre-wrap}.note{background:#fff6dd;border-left:4px solid #d9a400;padding:.5rem .8rem;margin:.6rem 0}
.row{display:flex;flex-wrap:wrap;gap:.8rem}
.card{border:2px solid #d5dae0;border-radius:6px;padding:.5rem;font-size:.85rem}
.right{border-color:#1a7f37;background:#eefaf0}.card p{margin:.2rem 0;max-width:24rem}.plot{max-width:100%}
.scan{background:#000;image-rendering:auto;margin-right:4px}details{margin:.6rem 0}
"""
PRIVATE = (
    "This page holds pictures of volumes and the words of reports. It is a local file, and nothing on it was sent "
    "anywhere. Where they come from patients, keep it as carefully as them."
)
AT = (1, 5, 10)
LONGEST = 400
"""Characters of a report that are shown."""


@dataclass(frozen=True)
class RunPage:
    """What there is to show of a run; all texts are plain and are escaped here.

    Attributes:
        title: of the page.
        facts: what the run is, name to text.
        parts: of `run.json`, one for each start.
        settings: of the run.
        curves: by name; those that begin with "val_dice/" become a table.
        notes: what is missing and why.
        controls: which controls were run, and what they gave.
        retrieval: name → scores by direction; more than one for controls.
        studies: that the searches are about.
        by_report, by_volume: searches to look at.
    """

    title: str
    facts: Mapping[str, str]
    parts: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    curves: Mapping[str, Curve]
    notes: Sequence[str] = ()
    controls: Sequence[str] = ()
    retrieval: Mapping[str, Mapping[str, Direction]] = field(default_factory=dict)
    studies: Sequence[Study] = ()
    by_report: Sequence[Search] = ()
    by_volume: Sequence[Search] = ()


def run_page(page: RunPage) -> str:
    """The HTML document."""
    body = "\n".join(_body(page))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        # Said to the browser, too: no scripts, no connections.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _body(page: RunPage) -> Iterator[str]:
    yield f"<h1>{escape(page.title)}</h1>"
    if page.studies:
        yield f'<p class="note">{escape(PRIVATE)}</p>'
    yield "<p>For research. Not a medical device, not for diagnosis.</p>"
    yield _table((), page.facts.items())
    yield from (f'<p class="note">{escape(note)}</p>' for note in page.notes)
    if page.retrieval:
        yield "<h2>Retrieval on the validation split</h2>"
        yield "<p>Recall in %, [95 % interval, bootstrap by subject], (chance). Reports of the same words are one.</p>"
        yield _table(("", *(f"@{k}" for k in AT), "median rank"), _recalls(page.retrieval))
    if page.controls:
        yield "<h2>Controls</h2>"
        yield "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in page.controls) + "</ul>"
    yield from _curves(page.curves)
    for title, found, answer in (
        ("Reports and the volumes that they find", page.by_report, _volume),
        ("Volumes and the reports that they find", page.by_volume, _report),
    ):
        if found:
            yield f"<h2>{title}</h2><p>The nearest of all validation studies; the right one has a green frame.</p>"
        for search in found:
            study = page.studies[search.query]
            yield f"<h3>{escape(study.subject)}</h3>"
            yield f"<p>{_shortened(study.report)}</p>" if answer is _volume else f"<p>{_scans(study)}</p>"
            yield (
                '<div class="row">'
                + "".join(_card(a, answer(page.studies[a.study])) for a in search.answers)
                + "</div>"
            )
    yield "<h2>How it was computed</h2>"
    for number, part in enumerate(page.parts, 1):
        yield f"<h3>Part {number} of {len(page.parts)}</h3>"
        yield _table((), ((name, _plain(value)) for name, value in part.items()))
    yield "<h2>Settings</h2><details open><summary>all</summary>"
    yield _table((), ((name, _plain(value)) for name, value in page.settings.items())) + "</details>"


def _curves(curves: Mapping[str, Curve]) -> Iterator[str]:
    structures = {n.removeprefix("val_dice/"): c for n, c in curves.items() if n.startswith("val_dice/")}
    drawn = {n: c for n, c in curves.items() if not n.startswith("val_dice/")}
    for title, validation in (("Validation", True), ("Losses and what else was logged in training", False)):
        chosen = {n: c for n, c in drawn.items() if n.startswith("val_") == validation}
        if chosen:
            names = escape(", ".join(chosen))
            yield f'<h2>{title}</h2><img class="plot" alt="curves of {names}" src="{draw_curves(chosen)}">'
    if structures:
        yield "<h2>Validation Dice by structure</h2><p>At the model's spacing, before clean-up.</p>"
        rows = ((n, f"{c.values[-1]:.3f}", f"{max(c.values):.3f}") for n, c in structures.items())
        yield _table(("structure", "last", "best"), rows)


def _recalls(retrieval: Mapping[str, Mapping[str, Direction]]) -> Iterator[tuple[str, ...]]:
    for label, directions in retrieval.items():
        for name, direction in directions.items():
            cells = []
            for k in AT:
                low, high = direction.interval95[k] or (float("nan"), float("nan"))
                values = (direction.recall[k], low, high, direction.chance[k])
                cells.append("{:.1f} [{:.1f}, {:.1f}] ({:.1f})".format(*(100 * v for v in values)))
            what = f"{name.replace('_', ' ')}{f', {label}' if label else ''}"
            yield (what, *cells, f"{direction.median_rank:g}")


def _card(answer: Answer, inside: str) -> str:
    mark = ", right" if answer.right else ""
    kind = "card right" if answer.right else "card"
    return f'<div class="{kind}">{inside}<p>rank {answer.rank}, cosine {answer.cosine:.2f}{mark}</p></div>'


def _volume(study: Study) -> str:
    return f"{_scans(study)}<p>{escape(study.subject)}</p>"


def _report(study: Study) -> str:
    return f"<p><strong>{escape(study.subject)}</strong></p><p>{_shortened(study.report)}</p>"


def _scans(study: Study) -> str:
    return "".join(
        f'<img class="scan" alt="{escape(study.subject)}" width="{p.width}" height="{p.height}" src="{p.uri}">'
        for p in study.pictures
    )


def _shortened(text: str) -> str:
    return escape(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in header) + "</tr>" if header else ""
    lines = []
    for first, *rest in rows:
        cells = "".join(f'<td class="n">{escape(cell)}</td>' for cell in rest)
        lines.append(f"<tr><th>{escape(first)}</th>{cells}</tr>")
    return f"<table>{top}{''.join(lines)}</table>"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value) or "–"
    return "–" if value in (None, "") else value if isinstance(value, str) else json.dumps(value)
