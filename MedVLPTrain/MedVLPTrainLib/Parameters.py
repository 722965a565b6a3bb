"""What the panel remembers: the fields of the module's parameter node, saved and loaded with the scene."""

from dataclasses import fields
from typing import Any

from slicer.parameterNodeWrapper import parameterNodeWrapper

from MedVLPLib.ParameterNode import readNode
from MedVLPTrainLib.SpecForm import Form

VERSION = 2
"""Of the fields below. A new meaning of a field raises it."""

FOLDER, SCENE, READY = "folder", "scene", "manifest"
"""Where data can come from."""


@parameterNodeWrapper
class Parameters:
    """The choices of the panel; those of `SpecForm.Form` have its names.

    Attributes:
        version: of the fields, see `VERSION`.
        source: `FOLDER`, `SCENE` or `READY`.
        folder, reports: of scans, and a CSV file of reports; "" for none.
        output: folder for the manifest and for volumes of the scene.
    """

    version: int = VERSION
    source: str = FOLDER
    folder: str = ""
    reports: str = ""
    output: str = ""
    manifest: str = ""
    modality: str = ""
    method: str = "finetune"
    recipe: str = "small"
    name: str = ""
    init: str = ""
    settings: str = ""
    more: str = ""
    target: str = "local"


def readParameters(node: Any) -> Parameters:
    """The parameters of a vtkMRMLScriptedModuleNode, see `readNode`."""
    return readNode(node, Parameters, VERSION)


def readForm(parameters: Parameters) -> Form:
    """What the parameters say of the job."""
    return Form(**{one.name: getattr(parameters, one.name) for one in fields(Form)})


def writeForm(parameters: Parameters, form: Form) -> None:
    """Take over a form."""
    for one in fields(Form):
        setattr(parameters, one.name, getattr(form, one.name))
