"""The phantom as sample data, made on this computer when asked for: a first try needs no network and no patient.

A phantom is a drawing by formulas. It shows that everything works and says nothing on how well a model does on people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MedVLPLib.Texts import _

CATEGORY = "MedVLP"
WINDOW, LEVEL = 400.0, 40.0
"""HU; shows soft tissue, as the presets for CT do."""


@dataclass(frozen=True)
class PhantomSample:
    """One entry in the module Sample Data; called with the entry's SampleDataSource, it adds the volume.

    Attributes:
        name: of the entry and of the volume node.
        region: region of the phantom ("head-neck", "trunk").
    """

    name: str
    region: str

    @property
    def thumbnail(self) -> Path:
        return Path(__file__).parents[1] / "Resources" / "Icons" / f"{self.name}.png"

    def __call__(self, source: Any = None) -> list[Any]:
        """What a click on the entry does: the phantom is made, added and shown."""
        import slicer

        with slicer.util.tryWithErrorDisplay(_("The phantom could not be made."), waitCursor=True):
            node = addPhantom(self)
            slicer.util.setSliceViewerLayers(background=node, fit=True)
            return [node]


HEAD_NECK = PhantomSample("MedVLPPhantomHeadNeck", "head-neck")
TRUNK = PhantomSample("MedVLPPhantomTrunk", "trunk")
SAMPLES = (HEAD_NECK, TRUNK)


def registerSamples() -> None:
    """Enter the phantoms into the module Sample Data; again and again does no harm. Nothing is made yet.

    The entries have no address, so nothing can be downloaded for them: scripts call `addPhantom`.
    """
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # Slicer 5.11 and later
        logic.registerCustomSampleDataCategory(CATEGORY, title=_("MedVLP"))
    for sample in SAMPLES:
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=sample.name,
            uris=[],
            fileNames=[],
            thumbnailFileName=str(sample.thumbnail),
            customDownloader=sample,
        )


def addPhantom(sample: PhantomSample = HEAD_NECK, scene: Any = None, seed: int = 0) -> Any:
    """Make a phantom and add it to the scene; takes a few seconds.

    Args:
        scene: a vtkMRMLScene; None: Slicer's own.
        seed: another seed, another phantom.

    Returns:
        a vtkMRMLScalarVolumeNode of int16 HU that says it is a CT, with a soft-tissue window.
    """
    import slicer
    import vtk

    from vlp3d_core.phantom import make_phantom

    volume = make_phantom(seed, sample.region).volume
    scene = scene or slicer.mrmlScene
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(sample.name))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.affine.ravel())
    node.SetIJKToRASMatrix(matrix)
    # Whole HU, as scanners write them; VTK's arrays run k, j, i.
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(np.rint(volume.array).astype(np.int16).transpose()))
    _declareCt(node)
    _showSoftTissue(node)
    return node


def _declareCt(node: Any) -> None:
    import slicer

    node.SetAttribute("DICOM.Modality", "CT")
    quantity, units = slicer.vtkCodedEntry(), slicer.vtkCodedEntry()
    quantity.SetValueSchemeMeaning("112031", "DCM", "Attenuation Coefficient")
    units.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    node.SetVoxelValueQuantity(quantity)
    node.SetVoxelValueUnits(units)


def _showSoftTissue(node: Any) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetScalarVolumeDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(WINDOW, LEVEL)
