"""Where requests lie in the worker until it is their turn, and what has become of them.

One thread reads (`put`, `cancel`), one works (`take`, `finish`); what is said of a job is said in one order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from vlp3d_core.service.protocol import Garbage, Request

Send = Callable[[Mapping[str, Any]], None]


class Desk:
    """Requests in their order. A job that was cancelled is answered at once; what comes of it later is dropped.

    Args:
        send: writes one message to the client.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[Request] = deque()
        self._open: set[int] = set()

    def put(self, request: Request) -> None:
        """Take a request in. Raises Garbage when its number is that of an open one."""
        with self._changed:
            self.open(request)
            self._waiting.append(request)
            self._changed.notify()

    def open(self, request: Request) -> None:
        """Take a request in that somebody else works on at once."""
        with self._changed:
            if request.id in self._open:
                raise Garbage(f"There is a job {request.id} already.")
            self._open.add(request.id)

    def take(self) -> Request:
        """The next request, as soon as there is one; the client hears that it has started."""
        with self._changed:
            while True:
                while not self._waiting:
                    self._changed.wait()
                request = self._waiting.popleft()
                if request.id in self._open:
                    self._send({"id": request.id, "event": "started"})
                    return request

    def cancel(self, number: int) -> None:
        """End a job for the client; whoever works on it learns it from `wanted`."""
        self.finish(number, {"event": "cancelled"})

    def wanted(self, number: int) -> bool:
        """Whether somebody still waits for this job."""
        return number in self._open

    def tell(self, number: int, message: Mapping[str, Any]) -> None:
        """Say something about an open job."""
        with self._changed:
            if number in self._open:
                self._send({"id": number, **message})

    def finish(self, number: int, message: Mapping[str, Any]) -> bool:
        """Say the last word about a job; False (and nothing is said) when that was said before."""
        with self._changed:
            if number not in self._open:
                return False
            self._open.remove(number)
            self._send({"id": number, **message})
            return True
