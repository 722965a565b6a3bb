"""Settings of a run that learns to write reports."""

from __future__ import annotations

from dataclasses import dataclass

from vlp3d_core.train.settings import RunSettings, require

SHUFFLES = ("", "images")
BYTES = 256 + 3


@dataclass(frozen=True, kw_only=True)
class ReportConfig(RunSettings):
    """Everything that decides a run on reports, beyond `RunSettings`.

    Attributes:
        task: "report".
        width, layers, heads, dropout: of the language model, see `model.reporter`.
        pieces: size of the vocabulary at most; with --init from another such run it is that one's vocabulary.
        length: pieces of the longest report; longer ones are cut, and their end is not learned.
        shuffle: a control: "images" gives every training report the volume of another study, the same one throughout
            the run; then only the language of reports can be learned.
        label_fraction: use only this part of the training subjects.
    """

    task: str
    width: int = 192
    layers: int = 3
    heads: int = 4
    dropout: float = 0.1
    pieces: int = 1000
    length: int = 320
    shuffle: str = ""
    label_fraction: float = 1.0

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        super().__post_init__()
        require(self.task == "report", "task", "must be report")
        for name in ("width", "layers", "heads"):
            require(getattr(self, name) > 0, name, "must be above 0")
        require(self.width % 6 == 0 and self.width % self.heads == 0, "width", "must be a multiple of 6 and of heads")
        require(0 <= self.dropout < 1, "dropout", "must be 0 or more and below 1")
        require(self.pieces >= BYTES, "pieces", f"must be at least {BYTES}: every byte is one")
        require(self.length > 2, "length", "must be above 2")
        require(self.shuffle in SHUFFLES, "shuffle", "must be images, or left out")
        require(self.strategy != "fsdp", "strategy", "can be fsdp in pretraining only")
        require(0 < self.label_fraction <= 1, "label_fraction", "must be above 0 and not above 1")
