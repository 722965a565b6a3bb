"""LUNA16: chest CT of LIDC-IDRI; a volume has a lung nodule or has none.

Layout: subset0/ to subset9/ with SERIESUID.mhd and .raw; annotations.csv (beside them or in CSVFILES/) with seriesuid,
coordX, coordY, coordZ, diameter_mm: nodules of 3 mm and more that at least three of four radiologists marked. A volume
without such a row has `lung_nodule: false`, which does not rule out smaller or disputed ones. The candidates
(candidates_V2.csv) are patches, not volumes, and are not read; the lungs of seg-lungs-LUNA16 are a program's, not a
reference, and are left out.

Splits as MG-3D has them: subsets 0 to 4 "train", 5 and 6 "validation", 7 to 9 "test". A subject is a series: the files
do not say which patient it is of (a few patients of LIDC-IDRI were scanned twice).
"""

from __future__ import annotations

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.request import Request, some
from vlp3d_core.train.importers.tables import rows_of
from vlp3d_core.train.manifest import Case

SPLIT_OF_SUBSET = ("train",) * 5 + ("validation",) * 2 + ("test",) * 3
COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")


def read(request: Request) -> Collected:
    """Every volume of the subsets that are there."""
    tables = sorted(request.folder.rglob("annotations.csv"))
    if not tables:
        raise request.misfit("there is no annotations.csv in it")
    nodules = {row["seriesuid"] for row in rows_of(tables[0], COLUMNS)}
    cases = []
    # The lungs of seg-lungs-LUNA16 have the same names.
    for path in sorted(request.folder.rglob("subset[0-9]/[!.]*.mhd")):
        if not any(path.with_suffix(ending).is_file() for ending in (".raw", ".zraw")):
            raise MedVLPError(f"{path} has no .raw file beside it.", "Unpack the subset again.")
        split, findings = SPLIT_OF_SUBSET[int(path.parent.name[-1])], {"lung_nodule": path.stem in nodules}
        cases.append(Case(path, path.stem, split, modality="CT", findings=findings))
    if not cases:
        raise request.misfit("there is no subset0/ to subset9/ with .mhd files in it")
    absent = sorted(nodules - {case.subject for case in cases})
    notes = [f"{len(absent)} series with nodules have no volume here: {some(absent)}."] if absent else []
    return Collected(tuple(cases), tuple(notes))
