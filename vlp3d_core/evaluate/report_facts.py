"""Whether a report says what is true: the findings that it states, read by the project's own parser.

Wording does not count here: "3.2 cm mass of the left kidney" and "left renal mass, 3 cm" state the same fact. Sizes,
counts and degrees are not compared. What the parser has no words for is not seen, in the reference either.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlp3d_core.text.report import parse_report

Fact = tuple[str, str, str]


def stated(report: str) -> frozenset[Fact]:
    """Findings that a report states as there: kind, side, site."""
    return frozenset((finding.kind, finding.side, finding.site) for finding in parse_report(report).findings)


def agreement(written: frozenset[Fact], reference: frozenset[Fact]) -> list[float]:
    """How many facts are in both, in the written report, and in the reference."""
    return [float(len(written & reference)), float(len(written)), float(len(reference))]


def agreement_with_findings(written: frozenset[Fact], findings: Mapping[str, bool]) -> list[float]:
    """The same for kinds of findings against what the manifest says of them; what it does not name is left out.

    Args:
        findings: name → whether the volume shows it.
    """
    named = {kind for kind, *_ in written} & set(findings)
    there = {name for name, shown in findings.items() if shown}
    return [float(len(named & there)), float(len(named)), float(len(there))]
