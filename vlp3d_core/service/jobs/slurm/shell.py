"""SLURM's commands, on this computer or by ssh on a login host: never for longer than they were given."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.slurm.profile import Profile

SECONDS = 60.0
"""For a command that somebody waits for, such as sbatch."""
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15")
"""Never asks for a password: keys and agents are those of the user's own ssh."""
KEPT = (
    "HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "SLURM_CONF",
    "SSH_AUTH_SOCK", "KRB5CCNAME", "XDG_RUNTIME_DIR",
)  # fmt: skip
"""Variables of ours that the commands, and with sbatch the job, see: the libraries of a host such as Slicer are not
for them."""
MOST = 10_000_000


class Running:
    """A command line of sh that runs on the profile's host, and writes into files of its own.

    Args:
        line: parts of it are quoted by the caller.

    Raises:
        MedVLPError: it cannot be started.
    """

    def __init__(self, profile: Profile, line: str) -> None:
        self._profile, self._line = profile, line
        command = ["sh", "-c", line]
        if profile.host:
            command = [*SSH, "--", profile.host, shlex.join(command)]
        self.started = time.monotonic()
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        options: dict[str, Any] = {"start_new_session": True} if sys.platform != "win32" else {}
        kept = set(os.environ) if sys.platform == "win32" else {*KEPT}
        try:
            self._process = subprocess.Popen(
                command,
                env={key: value for key, value in os.environ.items() if key in kept},
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                **options,
            )
        except OSError as error:
            self._close()
            raise MedVLPError(
                f"{command[0]} cannot be started: {error.strerror}.", "Install it, or correct the profile."
            ) from error

    def poll(self, seconds: float) -> str | None:
        """Its output when it has ended well; None while it runs.

        Args:
            seconds: that it may take altogether.

        Raises:
            MedVLPError: it failed, or took longer and was ended.
        """
        code = self._process.poll()
        if code is None:
            if time.monotonic() - self.started < seconds:
                return None
            self.end()
            raise MedVLPError(
                f"{self._profile.where} did not answer within {seconds:.0f} s.", "Try again later, or check the host."
            )
        out, err = (_text(file) for file in (self._out, self._err))
        self._close()
        if code:
            raise _failure(self._profile, self._line.split()[0], code, err or out)
        return out

    def wait(self, seconds: float) -> str:
        """Its output, after at most `seconds`; raises what `poll` raises."""
        while (out := self.poll(seconds)) is None:
            time.sleep(0.01)
        return out

    def end(self) -> None:
        """Stop it at once."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def __del__(self) -> None:
        """Nobody listens any more."""
        if hasattr(self, "_process") and not self._out.closed:
            self.end()

    def _close(self) -> None:
        self._out.close()
        self._err.close()


def run(profile: Profile, *words: str, seconds: float = SECONDS) -> str:
    """The output of one command; raises MedVLPError as `Running` does."""
    return Running(profile, shlex.join(words)).wait(seconds)


def _failure(profile: Profile, program: str, code: int, said: str) -> MedVLPError:
    words = last_words(said)
    if profile.host and code == 255:
        return MedVLPError(
            f"{profile.host} cannot be reached by ssh: {words or 'ssh failed'}.",
            f"See that `ssh {profile.host} true` works without a question.",
        )
    if code == 127:
        return MedVLPError(
            f"{program} is not there on {profile.where}.", "Run on a computer that hands jobs to SLURM, or name a host."
        )
    return MedVLPError(f"{program} failed on {profile.where}: {words or f'exit code {code}'}.", "Check the profile.")


def last_words(text: str) -> str:
    """The last line that says something, without the name of the program before it, and without a full stop."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Try ")]
    return lines[-1].rpartition("error: ")[2][:300].rstrip(".") if lines else ""


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read(MOST).decode("utf-8", "replace"))
