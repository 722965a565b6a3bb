"""Reports as numbers and back without loss: a vocabulary of word pieces, learned from the reports of a run.

The text tower's own vocabulary cannot be used: it reads lower case only, drops line breaks, and gives "5.9 cm" back as
"5. 9 cm", which another reader takes for 9 cm. These are byte pairs (Sennrich et al. 2016; bytes as in GPT-2), so that
any text comes back as it was; digits stand alone, so that a size is never a piece of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing

PAD, BEGIN, END = 0, 1, 2
_SPECIAL = ("<pad>", "<begin>", "<end>")


class Pieces:
    """Make one with `Pieces.learn` or `Pieces.read`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.encode_special_tokens = True  # "<end>" in a report is five letters and no end
        self._tokenizer = tokenizer

    @staticmethod
    def learn(reports: Iterable[str], most: int) -> Pieces:
        """The vocabulary of these reports; the same reports give the same one.

        Args:
            most: pieces at most, of which the 256 bytes and three marks are always there.
        """
        tokenizer = Tokenizer(models.BPE())
        bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytewise])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=most,
            special_tokens=list(_SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(reports, trainer)
        return Pieces(tokenizer)

    @staticmethod
    def read(path: Path) -> Pieces:
        """Open what `write` wrote.

        Raises:
            MedVLPError: it is missing or something else.
        """
        try:
            tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises plain Exception
            raise MedVLPError(f"{path} is missing or no vocabulary of reports.", "Train the model again.") from error
        if [tokenizer.token_to_id(mark) for mark in _SPECIAL] != [PAD, BEGIN, END]:
            raise MedVLPError(f"{path} is no vocabulary of reports.", "Train the model again.")
        return Pieces(tokenizer)

    def write(self, path: Path) -> None:
        """As JSON."""
        with replacing(path) as temporary:
            temporary.write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def numbers(self, report: str) -> list[int]:
        """BEGIN, the pieces, END."""
        return [BEGIN, *self._tokenizer.encode(report, add_special_tokens=False).ids, END]

    def text(self, numbers: Sequence[int]) -> str:
        """What stands before the first END; marks are left out."""
        numbers = list(numbers)
        end = numbers.index(END) if END in numbers else len(numbers)
        words: str = self._tokenizer.decode([n for n in numbers[:end] if n not in (PAD, BEGIN)])
        return words
