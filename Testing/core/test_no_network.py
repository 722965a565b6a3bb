"""The guard of conftest.py works: a test that reached out would fail everywhere, not only without a network."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request

import pytest


@pytest.mark.parametrize("address", ["http://example.org", "http://192.0.2.1"])  # both reserved for documentation
def test_outside_is_refused(address: str) -> None:
    with pytest.raises(urllib.error.URLError, match="run without network"):
        urllib.request.urlopen(address, timeout=1)


def test_this_machine_may_talk_to_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=lambda: server.accept()[0].close())
        answering.start()
        with socket.create_connection(server.getsockname(), timeout=5) as client:
            assert client.recv(1) == b""
        answering.join()
