"""The one exception that a user may see: what went wrong and what to do about it."""


class MedVLPError(Exception):
    """A problem whose cause and remedy are known. The command line prints it as one line.

    Args:
        cause: one sentence, ending with a full stop, that names the file, value or state at fault.
        remedy: one sentence that says what the user can do.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause} {remedy}".strip())
        self.cause = cause
        self.remedy = remedy


class UsageError(MedVLPError):
    """The request itself cannot be understood: an unknown structure, model or option (exit code 2)."""


class Cancelled(MedVLPError):
    """The user stopped the work.

    Args:
        kept: what there is nevertheless, and how to go on.
    """

    def __init__(self, kept: str = "Nothing was written.") -> None:
        super().__init__("Cancelled.", kept)
