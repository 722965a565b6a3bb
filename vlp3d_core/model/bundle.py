"""A bundle: a folder with a card (`bundle.json`) and weights (`weights.safetensors`, half precision)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.text.concepts import Concept, concepts
from vlp3d_core.volume.normalise import Normalisation

# Reading cards is light: torch and MONAI, which take seconds, are imported where weights are.
if TYPE_CHECKING:
    from torch import Tensor, nn

    from vlp3d_core.model.vision_language import VisionLanguageModel

CARD, WEIGHTS = "bundle.json", "weights.safetensors"
CONCEPT_VECTORS = "concept_vectors"
MAX_CARD_BYTES = 4_000_000
REINSTALL = "Install the bundle again."
QUERIES, AFFINITIES = "queries", "affinities"
"""Kinds of a model beside `networks.CLOSED_SET`: text-queried, which a card means that names no kind; of instances."""
OWN = "custom_"
"""How ids of structures begin that are no concept of `text/concepts.json`."""


@dataclass(frozen=True)
class Bundle:
    """A model at rest. Nothing but the card has been opened.

    Attributes:
        folder: where it lies.
        card: the content of `bundle.json`, valid against the schema.
        problem: why it cannot be used, or None.
    """

    folder: Path
    card: dict[str, Any]
    problem: str | None = None

    @property
    def name(self) -> str:
        return str(self.card.get("name", self.folder.name))

    @property
    def concepts(self) -> tuple[str, ...]:
        """Ids of the structures, in the order of the concept vectors."""
        return tuple(item["id"] for item in self.card["concepts"])

    @property
    def structures(self) -> Mapping[str, Concept]:
        """What each id means: a concept, or a structure of this model's own of which nothing but the name is known."""
        known = concepts()
        return {row["id"]: known.get(row["id"]) or _own(row["id"], row["name"]) for row in self.card["concepts"]}

    @property
    def kind(self) -> str:
        """How the network answers: `QUERIES`, `networks.CLOSED_SET` (classes) or `AFFINITIES` (instances)."""
        return str(self.card["architecture"].get("kind", QUERIES))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """mm along R, A and S."""
        r, a, s = self.card["spacing"]
        return float(r), float(a), float(s)

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation.from_json(self.card["normalisation"])

    @property
    def temperature(self) -> float:
        """By which logits are divided before they become probabilities (Guo et al., ICML 2017)."""
        return float(self.card.get("temperature", 1.0))

    @property
    def weights(self) -> Path:
        return self.folder / str(self.card["weights"]["file"])


def read_bundle(folder: str | Path) -> Bundle:
    """Read and check a card; the weights stay closed.

    Raises:
        MedVLPError: no card, not JSON, not valid against the schema, or it names structures that do not exist.
    """
    folder = Path(folder)
    path = folder / CARD
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise MedVLPError(f"{path} is too large for a model card.", REINSTALL)
        card = json.loads(path.read_text(encoding="utf-8"), parse_constant=_not_json)
    except OSError as error:
        cause = f"{folder} is not a model bundle: {CARD} cannot be read."
        raise MedVLPError(cause, "Name a bundle's folder.") from error
    except (ValueError, RecursionError) as error:
        raise MedVLPError(f"{path} is damaged: it is not JSON.", REINSTALL) from error
    problem = next(iter(_validator().iter_errors(card)), None)
    if problem is not None:
        where = "/".join(str(p) for p in problem.absolute_path) or "the card"
        raise MedVLPError(f"{path} is not a valid card: {where}: {problem.message[:200]}.", REINSTALL)
    _check_meaning(path, card)
    return Bundle(folder, card)


def _check_meaning(path: Path, card: Mapping[str, Any]) -> None:
    """What a schema cannot say."""
    names = [item["id"] for item in card["concepts"]]
    own = {item["id"] for item in card["concepts"] if item["id"].startswith(OWN) and item.get("name")}
    unknown = [name for name in names if name not in concepts() and name not in own]
    if unknown:
        raise MedVLPError(f"{path} names the structure {unknown[0]!r}, which is unknown.", "Update vlp3d-core.")
    if len(set(names)) < len(names):
        raise MedVLPError(f"{path} is not a valid card: it names a structure twice.", REINSTALL)
    strange = [name for name in card["field"]["anchors"] if name not in names]
    if strange:
        raise MedVLPError(f"{path} is not a valid card: the anchor {strange[0]!r} is not a structure of it.", REINSTALL)
    border = card.get("instances", {}).get("border")
    if card["architecture"].get("kind") == AFFINITIES and names[1:] != ([border] if border else []):
        what = "its concepts are not what an instance is and, where one is named, the border"
        raise MedVLPError(f"{path} is not a valid card: {what}.", REINSTALL)
    Normalisation.from_json(card["normalisation"])


def _own(name: str, words: str) -> Concept:
    """A structure without a known meaning: its name as its code, in our own scheme, and a colour drawn from it."""
    digest = hashlib.sha256(name.encode()).digest()
    color = (64 + digest[0] % 192, 64 + digest[1] % 192, 64 + digest[2] % 192)
    category = ("SCT", "85756007", "Tissue")
    return Concept(name, words, (), "", "", "structure", "", category, ("99VLP", name, words), None, color)


def _not_json(name: str) -> None:
    """Python reads NaN and Infinity as numbers; JSON has none."""
    raise ValueError(f"{name} is not JSON")


def verified_weights(bundle: Bundle) -> bytes:
    """The content of the weights file, once its hash is the card's. What was hashed is what is parsed afterwards.

    Raises:
        MedVLPError: the file is missing or was changed.
    """
    expected = bundle.card["weights"]
    try:
        # A file of another size is another file: do not read gigabytes to learn it.
        content = bundle.weights.read_bytes() if bundle.weights.stat().st_size == expected["bytes"] else b""
    except OSError as error:
        raise MedVLPError(f"The weights {bundle.weights} cannot be read.", REINSTALL) from error
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise MedVLPError(
            f"The weights of {bundle.name} are not those that its card names (the SHA-256 differs).",
            f"The file is damaged or was changed: {REINSTALL[0].lower()}{REINSTALL[1:]}",
        )
    return content


def load_network(bundle: Bundle) -> tuple[VisionLanguageModel, Tensor]:
    """The network in evaluation mode, float32, and the concept vectors (K, T).

    Raises:
        MedVLPError: the hash differs, or the weights do not belong to the architecture that the card names.
    """
    from safetensors.torch import load

    from vlp3d_core.model.encoders import channels_last
    from vlp3d_core.model.vision_language import VisionLanguageModel

    if bundle.kind != QUERIES:
        raise MedVLPError(f"{bundle.name} has no text queries.", "Use a text-queried model of MedVLP for this.")
    content = verified_weights(bundle)
    settings = bundle.card["architecture"]
    with must_fit(bundle):
        tensors = in_float32(load(content))
        vectors = tensors.pop(CONCEPT_VECTORS)
        network = VisionLanguageModel(
            settings["encoder"],
            settings["encoder_options"],
            settings["dimension"],
            settings["text_dimension"],
            settings.get("text_rank"),
        )
        network.load_state_dict(tensors)
    if vectors.shape != (len(bundle.concepts), settings["text_dimension"]):
        raise MedVLPError(f"{bundle.name} does not have one text vector per structure.", REINSTALL)
    channels_last(network).eval().requires_grad_(False)
    return network, vectors


def in_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as networks compute with them."""
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


@contextmanager
def must_fit(bundle: Bundle) -> Iterator[None]:
    """Whatever goes wrong in here, weights and card do not fit: torch, MONAI and safetensors raise many kinds."""
    try:
        yield
    except MedVLPError:
        raise
    except Exception as error:
        cause = f"The weights of {bundle.name} do not fit the architecture in its card."
        raise MedVLPError(cause, REINSTALL) from error


def write_bundle(
    folder: str | Path, network: nn.Module, concept_vectors: Tensor | None, card: Mapping[str, Any]
) -> Bundle:
    """Write weights and card; `card` lacks only "format" and "weights". A model without queries has no vectors.

    Kernels are kept in half precision; vectors and the text side's matrices are small and stay float32.

    Raises:
        MedVLPError: the folder cannot be written, or the card is not valid.
    """
    from safetensors.torch import save

    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedVLPError(f"Cannot make the folder {folder}: {error.strerror}.", "Choose another folder.") from error
    tensors = {**({} if concept_vectors is None else {CONCEPT_VECTORS: concept_vectors}), **network.state_dict()}
    tensors = {
        name: (t.half() if t.is_floating_point() and t.ndim > 2 else t).detach().cpu().contiguous().clone()
        for name, t in tensors.items()
    }
    content = save(tensors)
    with replacing(folder / WEIGHTS) as temporary:
        temporary.write_bytes(content)
    weights = {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    write_card(folder, {"format": 1, **card, "weights": weights})
    return read_bundle(folder)


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Replace the card of a bundle."""
    with replacing(folder / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads((files("vlp3d_core") / "model" / "bundle.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)
