"""Procedural anatomy, as CT, MR or EM shows it, with exact truth, for tests, demos and pretraining.

Not a patient: organs are smooth formulas in a plausible arrangement. What works on a phantom shows that the software
runs and that its geometry is right; it is no evidence of performance on people.
"""

from vlp3d_core.phantom.atlas import structures
from vlp3d_core.phantom.em import EMPhantom, make_em
from vlp3d_core.phantom.em_study import make_em_study
from vlp3d_core.phantom.facts import Fact, measure
from vlp3d_core.phantom.mr import CONTRASTS
from vlp3d_core.phantom.phantom import REGIONS, Phantom, make_phantom
from vlp3d_core.phantom.study import Study, make_study

__all__ = [
    "CONTRASTS",
    "REGIONS",
    "EMPhantom",
    "Fact",
    "Phantom",
    "Study",
    "make_em",
    "make_em_study",
    "make_phantom",
    "make_study",
    "measure",
    "structures",
]
