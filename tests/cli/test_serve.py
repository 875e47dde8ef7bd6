"""`serve`: up, answering, and down in order."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli
from tests.cli.world import Made


@pytest.fixture
def server(english: Cli, made: Made) -> Iterator[subprocess.Popen[str]]:
    process = english.process("serve", "--json", "--set", "http.port=0", "--language", "en")
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate(timeout=30)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_up_and_down(server: subprocess.Popen[str], name: signal.Signals) -> None:
    assert server.stdout is not None
    started = json.loads(server.stdout.readline())
    assert started["pid"] == server.pid
    assert started["real_dialing"] is False
    assert _status(started["url"], "/healthz") == 200
    server.send_signal(name)
    _, err = server.communicate(timeout=60)
    assert server.returncode == ExitCode.OK, err
    assert "Ended." in err
    assert "Traceback" not in err, err


def _status(url: str, path: str) -> int:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_two_on_one_data_folder(english: Cli, server: subprocess.Popen[str], made: Made) -> None:
    assert server.stdout is not None
    assert server.stdout.readline()
    ran = english("serve", "--set", "http.port=0")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "another Marcador" in ran.err
    server.terminate()
    server.communicate(timeout=60)
