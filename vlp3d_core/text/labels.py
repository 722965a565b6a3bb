"""Names of label sets and planning systems: "Glnd_Submand_L", "A_Renal_R", "Musc_Constrict_S", "Rib01_L".

The rules are those of AAPM TG-263: a category, words from the general to the special, and a letter for a part or a
side, with underscores between them, or points ("NAcc.L", "Left.Thalamus.Proper" in R). Here they become words; what
these mean together is left to the lexicon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_NAME = re.compile(r"[^\W_]+(?:_+[^\W_]+)+")
_POINT = re.compile(r"(?<=[^\W\d_]{3})\.(?=[^\W\d_])(?!(?:nii|gz|nrrd|mha|dcm|seg)\b)")
"""Within a name ("NAcc.L"), and not behind an abbreviation ("a.renalis") or before the ending of a file."""
_NUMBERED = re.compile(r"([^\W\d_]{3,})0*(\d{1,2})")


def written_out(text: str, categories: Mapping[str, str], letters: Mapping[str, str]) -> str:
    """A text in lower case with every name of underscores or points as words ("a_renal_l" → "artery renal left").

    Args:
        categories: what stands first in a name → word ("glnd" → "gland").
        letters: what stands behind → word ("l" → "left"). Before a number it is a level ("vb_l_1"), but of a rib.
    """

    def words_of(match: re.Match[str]) -> str:
        first, *rest = re.split("_+", match[0])
        following: Sequence[str] = (*rest[1:], "")
        said = [
            part if after.isdigit() and first != "rib" else letters.get(part, part)
            for part, after in zip(rest, following, strict=True)
        ]
        if first == "rib":  # a side before the number would be read as a level ("l 3")
            said.sort(key=lambda part: not part.isdigit())
        return " ".join(_NUMBERED.sub(r"\1 \2", word) for word in (categories.get(first, first), *said))

    return _NAME.sub(words_of, _POINT.sub("_", text))
