"""How good is it: metrics, the protocol of a score, intervals, tables. Importing this does not import torch."""

from vlp3d_core.evaluate.cases import Case, cases_of, find_predictions, named, pairs_from_folder, pairs_from_model
from vlp3d_core.evaluate.labelmap import LabelMap, read_label_map
from vlp3d_core.evaluate.metrics import METRICS, TOLERANCE_MM, MaskScore, Status, score_masks
from vlp3d_core.evaluate.segmentation import Pair, SegmentationScores, evaluate_cases
from vlp3d_core.evaluate.summary import Row, Statistic, StructureSummary
from vlp3d_core.evaluate.table import text_table, write_csv, write_json

__all__ = [
    "METRICS",
    "TOLERANCE_MM",
    "Case",
    "LabelMap",
    "MaskScore",
    "Pair",
    "Row",
    "SegmentationScores",
    "Statistic",
    "Status",
    "StructureSummary",
    "cases_of",
    "evaluate_cases",
    "find_predictions",
    "named",
    "pairs_from_folder",
    "pairs_from_model",
    "read_label_map",
    "score_masks",
    "text_table",
    "write_csv",
    "write_json",
]
