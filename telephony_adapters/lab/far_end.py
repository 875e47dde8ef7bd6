"""SIPp in two roles: the carrier with its people, and the agents' phones."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from telephony_adapters.lab.debian import Bundle, install
from telephony_adapters.lab.errors import LabError
from telephony_adapters.lab.ports import LOOPBACK, free_udp_port, udp_port_taken
from telephony_adapters.lab.process import Child
from telephony_adapters.lab.scenario import Behaviour, ScenarioWriter

READY_TIMEOUT_S: Final = 10.0
MEDIA_PORTS: Final = (10_000, 19_000)
"""Where its RTP ports begin: below Asterisk's, and below those that the system gives away."""
MEDIA_BLOCK: Final = 8
MEDIA_TRIES: Final = 200
SETTLE_S: Final = 0.1
"""From its SIP port, SIPp needs this long to find out whether it can have its others."""
PORT_TRIES: Final = 5
AUDIO: Final = Path(__file__).parent / "audio"
SILENCE_BEFORE: Final = b"\xff" * 2_400
"""0.3 s of mu-law silence: nobody speaks in the moment of picking up."""
SILENCE_AFTER: Final = b"\xff" * 64_000
"""8 s: longer than any detection listens."""
SIPP: Final = Bundle(
    name="sipp",
    suite="bookworm",
    packages=("sip-tester",),
    keep=(
        "sip-tester|lib(c6|cap2|dbus-1-3|gcc-s1|gcrypt20|gpg-error0|gsl27|gslcblas0|lz4-1|lzma5"
        "|ncursesw6|pcap0[.]8|sctp1|stdc[+][+]6|systemd0|tinfo6|zstd1|ssl[0-9].*)"
    ),
    binaries=("usr/bin/sipp",),
)


def person_says_hello(folder: Path) -> Path:
    """A recording of a person who picks up and waits."""
    return _recording(folder, "hello")


def machine_greets(folder: Path) -> Path:
    """A recording of a voicemail's greeting."""
    return _recording(folder, "greeting")


def somebody_breathes(folder: Path) -> Path:
    """A second of silence: a telephone sends audio all the while, and Asterisk counts on it."""
    path = folder / "silence.ul"
    path.write_bytes(SILENCE_AFTER[:8_000])
    return path


def _recording(folder: Path, name: str) -> Path:
    path = folder / f"{name}.ul"
    speech = (AUDIO / f"{name}.ul").read_bytes()
    path.write_bytes(SILENCE_BEFORE + speech + SILENCE_AFTER)
    return path


def run_sipp(name: str, folder: Path, scenario: Path, options: Sequence[str]) -> Child:
    """A SIPp on loopback. Raises `LabError`."""
    found = shutil.which("sipp")
    command = [found] if found else install(SIPP).command("usr/bin/sipp")
    media = _free_media_ports()
    return Child(
        [
            *command,
            *("-sf", str(scenario), "-i", LOOPBACK, "-mi", LOOPBACK, "-mp", str(media)),
            *("-t", "u1", "-nostdin", "-aa", "-buff_size", "8388608"),
            *("-trace_err", "-error_file", str(folder / f"{name}.err")),
            *options,
        ],
        output=folder / f"{name}.out",
        cwd=folder,
    )


def _free_media_ports() -> int:
    """The first of a block of ports. SIPp ends at once when one of its own is taken."""
    chance = random.SystemRandom()
    for _ in range(MEDIA_TRIES):
        first = chance.randrange(*MEDIA_PORTS, MEDIA_BLOCK)
        if not any(udp_port_taken(first + n) for n in range(MEDIA_BLOCK)):
            return first
    raise LabError(f"no {MEDIA_BLOCK} free UDP ports in a row from {MEDIA_PORTS[0]}")


class FarEnd:
    """One SIPp that answers calls as its behaviours say."""

    def __init__(self, name: str, folder: Path, behaviours: Sequence[Behaviour]) -> None:
        self.name = name
        self.port = free_udp_port()
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._scenario = folder / f"{name}.xml"
        self._scenario.write_text(ScenarioWriter(behaviours).xml(), encoding="utf-8")
        self._child: Child | None = None

    def start(self) -> None:
        """Run it until it listens. Raises `LabError`."""
        said = ""
        for _ in range(PORT_TRIES):
            options = ("-p", str(self.port), "-trace_logs", "-log_file", str(self._log))
            child = run_sipp(self.name, self._folder, self._scenario, options)
            if self._listens(child):
                self._child = child
                return
            said = child.said()
            self.port = free_udp_port()
        raise LabError(f"SIPp ({self.name}) did not start: {said}")

    def _listens(self, child: Child) -> bool:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while child.running and time.monotonic() < deadline_s:
            if udp_port_taken(self.port):
                time.sleep(SETTLE_S)
                return child.running
            time.sleep(0.02)
        if child.running:
            child.kill()
        return False

    def stop(self) -> None:
        if self._child is not None:
            # SIPp waits for its calls when asked to end; there is nothing worth waiting for.
            self._child.kill()
            self._child = None

    def calls_seen(self) -> int:
        """INVITEs so far."""
        if not self._log.exists():
            return 0
        return self._log.read_text(encoding="utf-8", errors="replace").count("INVITE ")

    def keys_heard(self, sip_call_id: str) -> str:
        """Keys that a call was sent so far, by its SIP Call-ID."""
        if not self._log.exists():
            return ""
        told = self._log.read_text(encoding="utf-8", errors="replace")
        return "".join(re.findall(rf"KEY {re.escape(sip_call_id)} (.)", told))
