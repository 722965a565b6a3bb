"""Reports: facts of a study to clinical wording and back. `parse_report(write_report(facts)) == facts`."""

from vlp3d_core.text.report.facts import Finding, Measured, StudyFacts
from vlp3d_core.text.report.parse import parse_report
from vlp3d_core.text.report.sentences import split_sentences
from vlp3d_core.text.report.write import write_report

__all__ = ["Finding", "Measured", "StudyFacts", "parse_report", "split_sentences", "write_report"]
