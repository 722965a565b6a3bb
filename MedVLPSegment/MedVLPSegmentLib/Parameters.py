"""What the panel remembers: the fields of the module's parameter node, saved and loaded with the scene."""

from typing import Annotated, Any

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from MedVLPLib.ParameterNode import readNode

VERSION = 1
"""Of the fields below. A new meaning of a field raises it; `readParameters` then translates older nodes."""

ALL = "*"
"""In `structures`: everything that the model knows, also when another model is chosen later."""

LARGEST_TILE = 512


@parameterNodeWrapper
class Parameters:
    """The choices of the panel.

    Attributes:
        version: of the fields, see `VERSION`.
        inputVolume: what to segment.
        roi: only inside of this; None for the whole volume.
        segmentation: where results go; None for a new segmentation each time.
        result: the segmentation that the list of results shows.
        model: name of the model; "" is automatic.
        structures: concept ids, separated by commas; `ALL`; "" is none.
        query: the words to look for.
        device: name as the worker gives it; "auto" takes the fastest.
        tile: largest edge of a tile in voxels; 0 is automatic.
        surfaces: make closed surfaces.
        keepWarm: keep the worker running between requests.
    """

    version: int = VERSION
    inputVolume: vtkMRMLScalarVolumeNode
    roi: vtkMRMLMarkupsROINode
    segmentation: vtkMRMLSegmentationNode
    result: vtkMRMLSegmentationNode
    model: str = ""
    structures: str = ALL
    query: str = ""
    device: str = "auto"
    tile: Annotated[int, WithinRange(0, LARGEST_TILE)] = 0
    surfaces: bool = True
    keepWarm: bool = True


def readParameters(node: Any) -> Parameters:
    """The parameters of a vtkMRMLScriptedModuleNode, see `readNode`."""
    parameters = readNode(node, Parameters, VERSION, ("tile",))
    if not 0 <= parameters.tile <= LARGEST_TILE:
        parameters.tile = 0
    return parameters


def chosenStructures(parameters: Parameters, known: list[str]) -> list[str]:
    """The chosen concept ids among those that a model knows, in the model's order."""
    if parameters.structures == ALL:
        return list(known)
    chosen = set(parameters.structures.split(","))
    return [concept for concept in known if concept in chosen]
