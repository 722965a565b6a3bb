"""One queue for each device of a computer: one job after the other, in the order of submission.

A ticket is an empty file whose name sorts by its place; the first ticket of a job that lives may run. The device's lock
makes sure that two never do: it belongs to the job's supervisor and to its command, and the system takes it back when
both are gone. Folders of jobs are told apart by their queues, too: two of them do not know of each other.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import IO

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.folder import ID, JobFolder
from vlp3d_core.service.locks import locked

QUEUES, LOCK = ".queues", "device.lock"
TICKET = re.compile(rf"([0-9]{{9}})-({ID.pattern})")


class Queue:
    """The queue of one device on this computer.

    Args:
        root: the folder of jobs.
        device: "cpu", "gpu0", …

    Raises:
        MedVLPError: the folder cannot be written.
    """

    def __init__(self, root: Path, device: str) -> None:
        self.root, self.device = root, device
        host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
        self.folder = root / QUEUES / host / device
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedVLPError(
                f"The queue {self.folder} cannot be made: {error.strerror}.", "Check the folder of jobs."
            ) from error

    def enter(self, job: JobFolder) -> None:
        """Stand at the end. A job that stood somewhere before leaves that place."""
        self.leave(job)
        last = max((int(TICKET.fullmatch(name)[1]) for name in self.tickets()), default=0)  # type: ignore[index]
        try:
            (self.folder / f"{last + 1:09d}-{job.id}").touch()
        except OSError as error:
            raise MedVLPError(
                f"The queue {self.folder} cannot be written: {error.strerror}.", "Free some space there."
            ) from error

    def leave(self, job: JobFolder) -> None:
        """Nothing happens where the job does not stand here."""
        for name in self.tickets():
            if name.endswith(f"-{job.id}"):
                (self.folder / name).unlink(missing_ok=True)

    def before(self, job: JobFolder) -> str:
        """The id of the job that is the first and lives, if it is another one; "" when it is this one's turn.

        Tickets of jobs that have ended, however that was, are thrown away.
        """
        for name in self.tickets():
            other = name[10:]
            if other == job.id:
                return ""
            if _waits(JobFolder(self.root / other)):
                return other
            (self.folder / name).unlink(missing_ok=True)
        self.enter(job)  # somebody has thrown the ticket away
        return self.before(job)

    def take(self) -> IO[bytes] | None:
        """The device, until the file is closed here and in the command that inherits it; None while another has it."""
        file = (self.folder / LOCK).open("ab")
        if locked(file):
            return file
        file.close()
        return None

    def tickets(self) -> list[str]:
        """Names of the tickets, the first one first."""
        try:
            return sorted(name for name in os.listdir(self.folder) if TICKET.fullmatch(name))
        except OSError:
            return []


def _waits(job: JobFolder) -> bool:
    try:
        return not job.state().ended
    except MedVLPError:  # gone, or damaged: it cannot claim a place
        return False
