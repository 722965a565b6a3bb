"""One request after the other to an HTTP endpoint that may be slow, busy, broken or gone."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx2

from vlp3d_core.errors import UsageError
from vlp3d_core.train.captioning.address import Address
from vlp3d_core.train.captioning.answer import complaint
from vlp3d_core.train.captioning.maker import MakerStopped

KEY = "MEDVLP_ENDPOINT_KEY"
BIGGEST = 1_000_000
"""Bytes of an answer that are read; a text has a few thousand."""
REDIRECTS = 3


@dataclass(frozen=True)
class Patience:
    """How long an endpoint is waited for.

    Attributes:
        timeout: seconds until an answer must be there.
        attempts: requests for one volume.
        first_wait: seconds before the second attempt; doubled before each further one.
        longest_wait: seconds; an endpoint that asks for more (Retry-After) is not waited for.
    """

    timeout: float = 120.0
    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0


class Refused(Exception):
    """The endpoint does not take this request; its text says why."""


class Unreachable(Exception):
    """The endpoint did not answer in spite of all attempts; its text says why."""


class _Busy(Exception):
    """Worth another attempt, after the seconds that the endpoint asks for (None: it does not say)."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class Client:
    """Posts JSON to one address.

    Args:
        key: sent as a bearer token; never in any message.
    """

    def __init__(self, address: Address, key: str = "", patience: Patience | None = None) -> None:
        self.address, self._key = address, key.strip()
        self._patience = patience or Patience()
        if not self._key.isascii() or not self._key.isprintable() or " " in self._key:
            raise UsageError(f"The key in {KEY} has characters that no key has.", "Set it anew.")

    def _http(self) -> httpx2.Client:
        timeout = httpx2.Timeout(self._patience.timeout, connect=min(10.0, self._patience.timeout))
        # A proxy of the environment would carry what is meant for this computer out of it.
        return httpx2.Client(timeout=timeout, trust_env=not self.address.local, follow_redirects=False)

    def post(self, body: bytes) -> bytes:
        """The answer to a request.

        Raises:
            Refused: it is not taken, or is answered with something that is too long.
            Unreachable: no answer after all attempts.
            MakerStopped: the key is wrong, there is nothing at the address, or it leads to another one.
        """
        wait, why = self._patience.first_wait, ""
        for attempt in range(1, self._patience.attempts + 1):
            try:
                return self._once(body)
            except _Busy as busy:
                why = str(busy)
                pause = wait if busy.wait is None else busy.wait
            if pause > self._patience.longest_wait:
                raise Unreachable(f"{why} and asks to wait {pause:.0f} s")
            if attempt < self._patience.attempts:
                time.sleep(pause)
                wait = min(2 * wait, self._patience.longest_wait)
        raise Unreachable(f"{why}, {self._patience.attempts} times")

    def _once(self, body: bytes) -> bytes:
        url = self.address.url
        for _ in range(REDIRECTS + 1):
            status, headers, answer = self._send(url, body)
            if status not in (301, 302, 303, 307, 308):
                return self._judge(status, headers, answer)
            url = self._same_place(url, headers.get("location", ""))
        raise MakerStopped(f"{self.address.url} leads round in circles.", "Check the address.")

    def _send(self, url: str, body: bytes) -> tuple[int, httpx2.Headers, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        until = time.monotonic() + self._patience.timeout
        late = _Busy(f"the endpoint gave no answer within {self._patience.timeout:g} s")
        try:
            with self._http() as http, http.stream("POST", url, content=body, headers=headers) as response:
                answer = b""
                for piece in response.iter_bytes():
                    answer += piece
                    if len(answer) > BIGGEST:
                        raise Refused(f"the endpoint answered with more than {BIGGEST:,} bytes")
                    if time.monotonic() > until:  # a drip of bytes never runs into the time-out of one read
                        raise late
                return response.status_code, response.headers, answer
        except httpx2.TimeoutException:
            raise late from None
        except httpx2.DecodingError:
            raise Refused("the endpoint answered with something that cannot be unpacked") from None
        except httpx2.HTTPError as error:
            reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            raise _Busy(f"the endpoint cannot be reached ({reason})") from None

    def _judge(self, status: int, headers: httpx2.Headers, answer: bytes) -> bytes:
        """The answer of a request that went well; an exception that says what to do about any other."""
        if 200 <= status < 300:
            return answer
        said = complaint(answer)
        if self._key:
            said = said.replace(self._key, "…")
        said = f": {said}" if said else ""
        if status in (408, 425, 429) or status >= 500:
            raise _Busy(f"the endpoint answered {status}{said}", retry_after(headers.get("retry-after")))
        if status in (401, 403):
            raise MakerStopped(
                f"{self.address.url} refuses access ({status}{said}).", f"The environment variable {KEY} holds the key."
            )
        if status in (404, 405):
            raise MakerStopped(
                f"{self.address.url} has no such address or model ({status}{said}).",
                "Check --endpoint, which often ends with /v1, and --endpoint-model.",
            )
        raise Refused(f"the endpoint refused the request ({status}{said})")

    def _same_place(self, url: str, location: str) -> str:
        """Where a redirect leads, as long as it stays with the server that the user has named."""
        try:
            new, old = urlsplit(urljoin(url, location)), urlsplit(url)
            same = location and (new.scheme, new.hostname, new.port) == (old.scheme, old.hostname, old.port)
        except ValueError:
            same = False
        if not same:
            where = "".join(c for c in location if c.isprintable())[:100]
            raise MakerStopped(
                f"{self.address.url} leads to another address ({where or 'none'}); nothing was sent there.",
                "If you trust that one, give it to --endpoint.",
            )
        return new.geturl()


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (a number or a date); None where it says nothing that can be read."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
