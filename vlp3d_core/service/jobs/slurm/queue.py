"""What SLURM says of a profile's jobs: one question for all of them, asked in the background and remembered a while.

A question is a child process that writes into files. Who looks never waits longer than he wants: a panel not at all.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.slurm.profile import Profile
from vlp3d_core.service.jobs.slurm.shell import Running

EVERY, AFTER_FAILURE = 3.0, 20.0
"""Seconds from one question to the next."""
SECONDS = 30.0
"""Until a question is given up."""
LONG = 5.0
"""Until people are told that it takes long."""
GONE = "GONE"
LINE = "--"
SQUEUE = shlex.join(["squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%r"])


@dataclass(frozen=True)
class Row:
    """One job.

    Attributes:
        state: SLURM's word, "PENDING", "RUNNING", …; `GONE` where SLURM does not know the job any more.
        reason: why it waits, in SLURM's words.
    """

    state: str
    reason: str = ""


class SlurmQueue:
    """The jobs of a user on one cluster."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._problem: MedVLPError | None = None
        self._rows: dict[str, Row] = {}
        self._asked = self._tried = float("-inf")
        self._missing: set[str] = set()
        self._question: Running | None = None
        self._about: set[str] = set()

    def look(self, number: str, since: float, wait: float) -> Row | None:
        """A job by its number; None while nothing is known of it.

        Args:
            since: of `time.monotonic`: an answer to an earlier question does not count.
            wait: seconds that a question may take before this returns without it.
        """
        while True:
            self._listen()
            row = self._rows.get(number) if self._asked >= since else None
            if row is None and self._asked >= since:
                self._missing.add(number)
            if self._question is None and self._is_time(row is None and not self._problem):
                self._ask()
            question = self._question
            if row is not None or question is None or time.monotonic() - question.started > wait:
                return row
            time.sleep(0.01)

    @property
    def trouble(self) -> str:
        """Why the latest question has no answer (yet); "" where nothing is wrong."""
        if self._question is not None and time.monotonic() - self._question.started > LONG:
            return f"{self.profile.where} takes long to answer."
        return str(self._problem or "")

    def forget(self) -> None:
        """What was said so far does not count any more."""
        self._asked = self._tried = float("-inf")
        self._rows = {}

    def _is_time(self, urgent: bool) -> bool:
        pause = AFTER_FAILURE if self._problem else 0.0 if urgent else EVERY
        return time.monotonic() - self._tried > pause

    def _ask(self) -> None:
        self._about = self._missing
        self._missing = set()
        line = SQUEUE
        if self._about:  # squeue forgets a job minutes after its end; sacct, where there is one, remembers
            sacct = ["sacct", "-n", "-P", "-X", "--format=JobIDRaw,State", f"--jobs={','.join(sorted(self._about))}"]
            line = f"{SQUEUE} && echo {LINE} && {{ {shlex.join(sacct)} 2>/dev/null || true; }}"
        self._tried = time.monotonic()
        try:
            self._question = Running(self.profile, line)
        except MedVLPError as error:
            self._problem = error

    def _listen(self) -> None:
        if self._question is None:
            return
        try:
            said = self._question.poll(SECONDS)
        except MedVLPError as error:
            self._problem, self._question = error, None
            return
        if said is not None:
            self._problem, self._rows = None, dict.fromkeys(self._about, Row(GONE)) | _rows(said)
            self._asked, self._question = self._question.started, None


def _rows(said: str) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    queue, _line, accounts = said.partition(f"{LINE}\n")
    for line in [*accounts.splitlines(), *queue.splitlines()]:  # the queue knows better
        number, *words = line.strip().split("|")
        if number.isdecimal() and words:
            rows[number] = Row(words[0].split()[0] if words[0].split() else "", words[1] if len(words) > 1 else "")
    return rows
