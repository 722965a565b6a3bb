"""A module's parameters from a node of any version, also one that was edited by hand."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any


def readNode(node: Any, wrapper: Any, version: int, numbers: Iterable[str] = ()) -> Any:
    """The parameters of a vtkMRMLScriptedModuleNode.

    A number that cannot be read is dropped and takes its default: a scene of an older or newer version, or one that was
    edited by hand, opens nevertheless. Fields of other versions stay in the node untouched.

    Args:
        wrapper: the class with `parameterNodeWrapper` that says which fields there are; "version" is one of them.
        version: of these fields.
        numbers: names of further fields that are whole numbers.
    """
    for name in ("version", *numbers):
        if node.HasParameter(name) and not _isNumber(node.GetParameter(name)):
            logging.warning("%s: the parameter %s cannot be read and takes its default.", node.GetName(), name)
            node.UnsetParameter(name)
    parameters = wrapper(node)
    if parameters.version != version:
        logging.info("%s: the parameters are of version %s, read as %s.", node.GetName(), parameters.version, version)
        parameters.version = version
    return parameters


def _isNumber(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True
