"""What the transforms in a MONAI config say of a model: spacing, intensities, how scores become labels.

Each transform is known and followed, or refused by its name. None is passed over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.monai_config import target_of

READERS = {"LoadImaged", "EnsureChannelFirstd", "AddChanneld", "EnsureTyped", "ToTensord", "ToDeviced"}
"""They bring the volume into memory, which happens here in another way."""
CROPS = {"CropForegroundd"}
"""Air is cut away here as well."""
WRITERS = {"Invertd", "SaveImaged", "EnsureTyped", "ToTensord", "Decollated"}
"""The way back to the volume's own grid and into a file, which happens here in another way."""
REFUSED = "A model with it cannot be added; only what can be followed exactly is accepted."


@dataclass
class Preprocessing:
    """How a volume becomes the network's input.

    Attributes:
        spacing: mm along R, A, S.
        window: raw values that become `given`.
        given: the network's values at the window's ends.
    """

    spacing: tuple[float, float, float] = (0.0, 0.0, 0.0)
    window: tuple[float, float] = (0.0, 0.0)
    given: tuple[float, float] = (0.0, 0.0)
    oriented: bool = False


@dataclass
class Postprocessing:
    """How scores become labels.

    Attributes:
        activation: "softmax" (the largest channel wins, background included) or "sigmoid" (each for itself).
        largest, filled: labels of which the largest piece is kept, or whose holes are filled; None is all.
    """

    activation: str = ""
    largest: set[int] | None = field(default_factory=set)
    filled: set[int] | None = field(default_factory=set)


def preprocessing_of(steps: Any) -> Preprocessing:
    """Raises MedVLPError for a transform that cannot be followed, or where spacing, axes or window are missing."""
    out = Preprocessing()
    for step in _steps(steps, "preprocessing"):
        name = target_of(step)
        if name in READERS | CROPS:
            continue
        if name == "Orientationd":
            _need(step.get("axcodes") == "RAS", name, f"with axcodes {step.get('axcodes')!r}")
            out.oriented = True
        elif name == "Spacingd":
            _need(out.window == (0.0, 0.0), name, "after ScaleIntensityRanged")
            _need(
                step.get("mode", "bilinear") in ("bilinear", ["bilinear"], 1), name, f"with mode {step.get('mode')!r}"
            )
            _need(not step.get("diagonal"), name, "with diagonal")
            out.spacing = _numbers(step.get("pixdim"), 3, name)  # type: ignore[assignment]
            _need(min(out.spacing) > 0, name, f"with pixdim {list(out.spacing)}")
        elif name == "ScaleIntensityRanged":
            _need(bool(step.get("clip")), name, "without clip")
            _need(out.window == (0.0, 0.0), name, "twice")
            out.window = _numbers([step.get("a_min"), step.get("a_max")], 2, name)  # type: ignore[assignment]
            out.given = _numbers([step.get("b_min", 0.0), step.get("b_max", 1.0)], 2, name)  # type: ignore[assignment]
            _need(out.window[0] < out.window[1] and out.given[0] < out.given[1], name, "with an empty range")
        else:
            raise _unknown(name, "preprocessing")
    for there, name in (
        (out.oriented, "Orientationd"),
        (out.spacing[0], "Spacingd"),
        (out.given[1] > out.given[0], "ScaleIntensityRanged"),
    ):
        if not there:
            raise MedVLPError(f"The bundle's preprocessing has no {name}.", REFUSED)
    return out


def postprocessing_of(steps: Any) -> Postprocessing:
    """Raises MedVLPError for a transform that cannot be followed, or where neither softmax nor sigmoid is said."""
    out = Postprocessing()
    for step in _steps(steps, "postprocessing"):
        name = target_of(step)
        if name in WRITERS:
            continue
        if name == "Activationsd":
            kinds = [kind for kind in ("softmax", "sigmoid") if _truth(step.get(kind))]
            _need(len(kinds) == 1 and not step.get("other"), name, "without softmax or sigmoid")
            _need(out.activation in ("", kinds[0]), name, "twice")
            out.activation = kinds[0]
        elif name == "AsDiscreted":
            _discrete(step, out)
        elif name == "KeepLargestConnectedComponentd":
            _need(step.get("independent", True) is True, name, "without independent")
            out.largest = _labels(step, out.largest)
        elif name == "FillHolesd":
            out.filled = _labels(step, out.filled)
        else:
            raise _unknown(name, "postprocessing")
    if not out.activation:
        raise MedVLPError("The bundle's postprocessing has neither softmax nor sigmoid.", REFUSED)
    return out


def _discrete(step: dict[str, Any], out: Postprocessing) -> None:
    name = "AsDiscreted"
    argmax, threshold = _truth(step.get("argmax")), step.get("threshold")
    threshold = threshold[0] if isinstance(threshold, list) and threshold else threshold
    if argmax:
        _need(out.activation != "sigmoid", name, "with argmax after sigmoid")
        out.activation = "softmax"
    else:
        _need(out.activation == "sigmoid" and threshold == 0.5, name, f"with threshold {threshold!r}")


def _steps(value: Any, where: str) -> list[dict[str, Any]]:
    if target_of(value) != "Compose" or not isinstance(value.get("transforms"), list):
        raise MedVLPError(f"The bundle's {where} is not a Compose of transforms.", REFUSED)
    for step in value["transforms"]:
        if not isinstance(step, dict):
            raise MedVLPError(f"The bundle's {where} holds {str(step)[:60]!r}.", REFUSED)
    return [step for step in value["transforms"] if step.get("_disabled_") is not True]


def _labels(step: dict[str, Any], before: set[int] | None) -> set[int] | None:
    named = step.get("applied_labels")
    if named is None or before is None:
        return None
    return before | {int(n) for n in _numbers(named if isinstance(named, list) else [named], None, target_of(step))}


def _numbers(value: Any, count: int | None, name: str) -> tuple[float, ...]:
    good = isinstance(value, list) and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    _need(good and (count is None or len(value) == count), name, f"with {str(value)[:60]}")
    return tuple(float(v) for v in value)


def _truth(value: Any) -> bool:
    """MONAI takes one value or one a key."""
    return value is True or (isinstance(value, list) and value[:1] == [True])


def _need(holds: bool, name: str, how: str) -> None:
    if not holds:
        raise MedVLPError(f"The bundle uses {name} {how}.", REFUSED)


def _unknown(name: str, where: str) -> MedVLPError:
    return MedVLPError(
        f"The bundle's {where} uses {name[:60] or 'a step without a name'}, which is not known here.", REFUSED
    )
