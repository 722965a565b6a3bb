"""A client's side of the conversation with a worker: one process at a time, jobs that are open, and what arrives."""

from __future__ import annotations

import os
import queue
import sys
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from vlp3d_core.errors import Cancelled, MedVLPError
from vlp3d_core.service.arrays import discard
from vlp3d_core.service.job import Job
from vlp3d_core.service.process import AGAIN, Inbox, Launcher, Process, launch
from vlp3d_core.service.protocol import END, Garbage, error_of, number, text_of
from vlp3d_core.service.replies import Place, read_result
from vlp3d_core.service.uploads import Uploads
from vlp3d_core.volume.volume import Volume

Callback = Callable[[Job], None]
LOG_LINES = 400


@dataclass(frozen=True)
class _Open:
    """A job that has not ended, and what it took to the process that works on it."""

    job: Job
    uploads: Uploads | None = None
    tokens: list[int] = field(default_factory=list)
    place: Place | None = None


class Conversation:
    """What `client.Worker` says and hears. See there."""

    def __init__(
        self,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self._python = python
        self._environment = environment
        self._launcher = launcher or launch
        self._uploads: Uploads | None = None
        self._ends: dict[Process, weakref.finalize[..., Conversation]] = {}
        self._inbox: Inbox = queue.SimpleQueue()
        self._open: dict[int, _Open] = {}
        self._ids = count(1)
        self._stderr: deque[str] = deque(maxlen=LOG_LINES)

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._uploads is not None and self._uploads.process.alive

    @property
    def ready(self) -> bool:
        """Whether the process is alive and has greeted; torch may still be loading."""
        return self.running and self._uploads is not None and self._uploads.process.ready

    @property
    def details(self) -> str:
        """The last lines that the worker wrote to its standard error, of all its lives."""
        return "\n".join(self._stderr.copy())

    def cancel(self, job: Job) -> None:
        """End a job as "cancelled" at the next `poll`; the worker stops working on it and stays usable."""
        opened = self._open.get(job.id)
        if opened is None or opened.job is not job:
            return
        if opened.uploads is not None:
            opened.uploads.process.send({"do": "cancel", "id": job.id})
        self._inbox.put((None, {"event": "cancelled", "id": job.id}))

    def poll(self) -> None:
        """Take in what has arrived and call the jobs' callbacks, in this thread. Returns at once."""
        for _ in range(self._inbox.qsize()):
            try:
                self._handle(*self._inbox.get_nowait())
            except queue.Empty:  # a callback has polled
                return

    def wait(self, job: Job, timeout: float | None = None) -> Any:
        """Poll until a job has ended; for scripts and tests.

        Returns:
            its result.

        Raises:
            MedVLPError: it failed, with its error, or (`Cancelled`) was cancelled.
            TimeoutError: it has not ended after `timeout` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not job.ended:
            left = 1.0 if end is None else min(1.0, end - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"job {job.id} ({job.kind}) is {job.state} after {timeout} s")
            try:
                self._handle(*self._inbox.get(timeout=left))
            except queue.Empty:
                continue
        if job.error is not None:
            raise job.error
        if job.state == "cancelled":
            raise Cancelled
        return job.result

    def close(self) -> None:
        """End the process and remove its folder; open jobs are cancelled (the next `poll` says so).

        The next request starts a new process.
        """
        for number_ in self._open:
            self._inbox.put((None, {"event": "cancelled", "id": number_}))
        for process in list(self._ends):
            self._close(process)

    def request(
        self,
        kind: str,
        volume: Volume | None,
        key: str,
        on_progress: Callback | None,
        on_end: Callback | None,
        mask: Any = None,
        **rest: Any,
    ) -> Job:
        job = Job(next(self._ids), kind, on_progress, on_end)
        self._open[job.id] = _Open(job)
        try:
            uploads = self._started()
            job.stage = "" if uploads.process.ready else "starting"
            message = {"id": job.id, "do": kind, **{name: value for name, value in rest.items() if value is not None}}
            tokens: list[int] = []
            self._open[job.id] = _Open(job, uploads, tokens)
            if volume is not None:
                tokens.append(uploads.lend(volume, key))
                self._open[job.id] = _Open(job, uploads, tokens, Place.of(volume))
                message["volume"] = tokens[-1]
                if mask is not None:
                    tokens.append(uploads.lend(Volume(mask, volume.affine), ""))
                    message["mask"] = tokens[-1]
            uploads.process.send(message)
        except MedVLPError as error:
            self._inbox.put((None, {"event": "failed", "id": job.id, "error": error}))
        except (TypeError, ValueError) as error:  # a value that JSON does not have
            told = MedVLPError(f"The request cannot be sent: {error}.", "Give finite numbers and texts.")
            self._inbox.put((None, {"event": "failed", "id": job.id, "error": told}))
        return job

    def _started(self) -> Uploads:
        if self._uploads is not None:
            process = self._uploads.process
            # A folder of long standing may have been cleaned away.
            if process.alive and process.folder.is_dir():
                return self._uploads
            if process.alive:
                self._close(process)
        environment = dict(os.environ if self._environment is None else self._environment)
        process = Process(self._python or sys.executable, environment, self._launcher, self._inbox, self._stderr)
        self._uploads = Uploads(process)
        self._ends[process] = weakref.finalize(self, process.close)
        return self._uploads

    def _close(self, process: Process) -> None:
        if self._uploads is not None and self._uploads.process is process:
            self._uploads = None
        end = self._ends.pop(process, None)
        if end is not None:
            end()

    def _handle(self, process: Process | None, message: dict[str, Any]) -> None:
        """One message of a process, or (without one) of this client to itself."""
        try:
            if process is not None and message["event"] == "lost":
                self._lost(process, message["error"])
            elif process is not None and message.get("id") is None:
                return  # the greeting, or an answer to a line that it could not read
            else:
                self._heard(process, message)
        except Garbage as error:
            assert process is not None
            self._stderr.append(f"client: {error}")
            process.kill()
            self._lost(process, MedVLPError("The worker sent something that cannot be read, and was ended.", AGAIN))

    def _heard(self, process: Process | None, message: dict[str, Any]) -> None:
        opened = self._open.get(message["id"]) if isinstance(message["id"], int) else None
        if opened is None:
            if process is not None:
                discard(process.folder, message)  # too late: the job has been cancelled
            return
        job, event = opened.job, message["event"]
        if event == "started":
            job.state = "running"
            _call(job.on_progress, job)
        elif event == "progress":
            job.stage = text_of(message, "stage")
            job.fraction = max(job.fraction, min(1.0, number(message.get("fraction"), "fraction")))
            left = message.get("remaining")
            job.remaining_seconds = None if left is None else number(left, "remaining")
            _call(job.on_progress, job)
        elif event == "failed":
            self._end(opened, "failed", error=message["error"])
        elif event == "cancelled":
            self._end(opened, "cancelled")
        elif event == "error":
            self._end(opened, "failed", error=error_of(message))
        elif event in END and process is not None:
            result = read_result(job.kind, message.get("result"), process.folder, opened.place)
            self._end(opened, "done", result=result)
        else:
            raise Garbage("There is no such event.")

    def _lost(self, process: Process, error: MedVLPError) -> None:
        """Whatever that process had to do fails."""
        self._close(process)
        for opened in list(self._open.values()):
            if opened.uploads is not None and opened.uploads.process is process:
                self._end(opened, "failed", error=error)

    def _end(self, opened: _Open, state: Any, result: Any = None, error: MedVLPError | None = None) -> None:
        job = opened.job
        if self._open.pop(job.id, None) is None:
            return
        if opened.uploads is not None:
            for token in opened.tokens:
                opened.uploads.give_back(token)
        job.state, job.result, job.error = state, result, error
        job.remaining_seconds = None
        if state == "done":
            job.fraction = 1.0
        _call(job.on_end, job)


def _call(callback: Callback | None, job: Job) -> None:
    """A callback that fails is told on the console; what else has arrived is delivered all the same."""
    if callback is None:
        return
    try:
        callback(job)
    except Exception:
        traceback.print_exc()
