"""The layouts of public data sets that a manifest can be made of, by name.

A layout is a module of this package with a function `read(request) -> Collected`. It is imported when it is asked for,
so that the list costs nothing. What could not be verified about a data set stands in its module's docstring.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module

from vlp3d_core.errors import UsageError
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.request import Request

UNKNOWN = "licence not verified; read the terms that came with the download"


@dataclass(frozen=True)
class Layout:
    """One data set.

    Attributes:
        name: as `--layout` takes it.
        about: one line.
        expects: what its folder holds.
        licence: of the data, and how sure that is.
    """

    name: str
    about: str
    expects: str
    licence: str = UNKNOWN

    def read(self, request: Request) -> Collected:
        """The cases of a folder, with absolute paths, and in words what is special about them or was left out.

        Raises:
            MedVLPError: the folder has another layout, lacks a file or holds a damaged one.
            Cancelled: `request.cancel` said so; files that were converted stay, and the same call goes on from there.
        """
        module = import_module(f"{__package__}.{self.name.replace('-', '_')}")
        collected: Collected = module.read(replace(request, expects=self.expects))
        return collected


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "msd",
            "Medical Segmentation Decathlon, tasks 01 to 10: organs and tumours in CT and MR",
            "dataset.json, imagesTr/ and labelsTr/, or several such folders (Task01_BrainTumour/, ...)",
            "CC BY-SA 4.0",
        ),
        Layout(
            "cremi",
            "CREMI A, B, C: electron microscopy of a fly brain, with neurons and synaptic clefts",
            "HDF5 files sample_A_20160501.hdf, ... with volumes/raw and volumes/labels",
        ),
        Layout(
            "ct-rate",
            "CT-RATE: chest CT with reports and 18 abnormalities",
            "dataset/train_fixed/train_1/train_1_a/train_1_a_1.nii.gz, valid_fixed/..., and the CSV files of reports",
            "CC BY-NC-SA 4.0",
        ),
        Layout(
            "ctrg-chest",
            "CTRG-Chest-548K as NIfTI: chest CT with reports",
            'a JSON file {"train": [{"id", "report", "result"}, ...], "val", "test"} and ID.nii.gz',
        ),
        Layout(
            "acdc",
            "ACDC: cine MR of the heart, both ventricles and the myocardium at two times",
            "training/patient001/Info.cfg, patient001_frame01.nii.gz, patient001_frame01_gt.nii.gz, ..., testing/...",
            "citation required (MANDATORY_CITATION.md of the download); " + UNKNOWN,
        ),
        Layout(
            "covid-19-20",
            "COVID-19-20: chest CT with lesions of COVID-19",
            "Train/volume-covid19-A-0003_ct.nii.gz and ..._seg.nii.gz, Validation/..._ct.nii.gz",
        ),
        Layout(
            "luna16",
            "LUNA16: chest CT, nodule or not",
            "subset0/ to subset9/ with .mhd and .raw files, annotations.csv",
        ),
        Layout(
            "stoic2021",
            "STOIC2021: chest CT, COVID-19 by RT-PCR and severe outcome",
            "data/mha/ID.mha, metadata/reference.csv with PatientID, probCOVID, probSevere",
        ),
        Layout(
            "cc-ccii",
            "CC-CCII: chest CT as pictures; COVID-19 pneumonia, other pneumonia, normal",
            "NCP/, CP/ and Normal/, each PATIENT/SCAN/ with slices as .png or .jpg",
        ),
        Layout(
            "bimcv-r",
            "BIMCV-R: CT with reports translated from Spanish",
            "meta/curated_ct_report_path_En.csv with PatientID, Report_en, ct_path, and the volumes that it names",
            "terms to be accepted at download; " + UNKNOWN,
        ),
        Layout(
            "openkbp",
            "OpenKBP as NIfTI: CT of the head and neck with organs at risk",
            "pt_N_ct.nii.gz, pt_N_organs.nii.gz, labels.json",
            "MIT",
        ),
        Layout(
            "synthseg",
            "Label maps of whole heads by SynthSeg's authors, without images: those are made while training",
            "labels.json with names of label values, training_seg_01.nii.gz, ...",
            "Apache-2.0",
        ),
    )
}


def layout(name: str) -> Layout:
    """The layout of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in LAYOUTS:
        raise UsageError(f"There is no layout {name!r}.", f"Use one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
