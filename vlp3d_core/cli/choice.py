"""Which model a command runs: the one that was named, or the one that fits the volume and knows what is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from vlp3d_core.cli.output import progress_bar
from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    from vlp3d_core.model.bundle import Bundle
    from vlp3d_core.volume import Volume

LISTED = "`vlp3d models NAME` lists what a model knows, `vlp3d models add` installs others."


def model_and_volume(args: argparse.Namespace, ask: Callable[[Bundle], object]) -> tuple[Bundle, Volume, list[str]]:
    """The bundle and the volume of `add_model` and `add_volume`, and why this bundle, where none was named.

    Args:
        ask: raises UsageError where a bundle cannot answer what is asked for; said before the volume is read.

    Raises:
        UsageError: no such model, or none that can answer.
        MedVLPError: the volume cannot be read, or no model fits it.
    """
    from vlp3d_core.model.registry import find_bundle, list_bundles
    from vlp3d_core.volume.modality import parse_modality
    from vlp3d_core.volume.read import read_volume

    modality = parse_modality(args.modality) if args.modality else None
    if args.model is not None:
        bundle = find_bundle(args.model)
        ask(bundle)
        return bundle, read_volume(args.input, modality=modality, series=args.series), []
    bundles, refusal = [], None
    for bundle in list_bundles():
        try:
            if not bundle.problem:
                ask(bundle)
                bundles.append(bundle)
        except UsageError as error:
            refusal = refusal or error
    if refusal is not None and not bundles:
        from vlp3d_core.predict.asked import NotTrained

        if isinstance(refusal, NotTrained):
            raise UsageError(f"No installed model was trained on {refusal.missing}.", LISTED)
        raise refusal
    volume = read_volume(args.input, modality=modality, series=args.series)
    from vlp3d_core.predict.choose import choose_bundle

    with progress_bar(args.json) as progress:
        chosen = choose_bundle(volume, bundles, args.device, progress)
    return chosen.bundle, volume, [f"{chosen.reason}."]
