"""The whole laboratory: Asterisk, a carrier with people behind its numbers, agents' phones."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from telephony_adapters.lab.caller import Caller
from telephony_adapters.lab.far_end import (
    FarEnd,
    machine_greets,
    person_says_hello,
    somebody_breathes,
)
from telephony_adapters.lab.pbx import Pbx
from telephony_adapters.lab.ports import LOOPBACK
from telephony_adapters.lab.process import hand_over
from telephony_adapters.lab.scenario import Behaviour

FAMILY_VARIABLE: Final = "TELEPHONY_LAB_FAMILY"
"""Environment variable with the family of Asterisk, 22 or 16; 22 when it is not set."""
DEAD_NUMBER: Final = "96"
MACHINES: Final = "(3[0-9]|4[0-4])"
"""Endings of numbers behind which a machine answers."""
TALK_MS: Final = 22_000
"""How long a person of the laboratory stays on the line."""


def is_machine(number: str) -> bool:
    """Whether a machine of the laboratory answers this number."""
    return re.search(f"{MACHINES}$", number) is not None


def people(folder: Path) -> tuple[Behaviour, ...]:
    """What the numbers do, by their last two digits; any other number is a person's."""
    hello, greeting = person_says_hello(folder), machine_greets(folder)
    ends = r"[^@]*"
    return (
        Behaviour(name="machine", users=ends + MACHINES, ring_ms=1_500, audio=greeting),
        Behaviour(name="rings", users=f"{ends}(4[5-9]|[56][0-9]|7[0-4])", answers=False),
        Behaviour(name="busy", users=f"{ends}(7[5-9]|8[0-4])", refusal="486 Busy Here"),
        Behaviour(name="unavailable", users=f"{ends}8[5-9]", refusal="480 Temporarily Unavailable"),
        Behaviour(
            name="not_in_service", users=f"{ends}9[0-2]", ring_ms=None, refusal="404 Not Found"
        ),
        Behaviour(name="rejects", users=f"{ends}93", ring_ms=None, refusal="603 Decline"),
        Behaviour(
            name="congested", users=f"{ends}9[45]", ring_ms=None, refusal="503 Service Unavailable"
        ),
        Behaviour(name="dead", users=ends + DEAD_NUMBER, trying=False, answers=False),
        Behaviour(name="answers_briefly", users=f"{ends}97", talk_ms=1_500),
        Behaviour(name="presses_keys", users=f"{ends}98", keys="12"),
        Behaviour(name="stays", users=f"{ends}99", ring_ms=150, audio=hello),
        Behaviour(name="person", users=ends, ring_ms=2_000, audio=hello, talk_ms=TALK_MS),
    )


Behaviours = Callable[[Path], Sequence[Behaviour]]
"""What the carrier's numbers do; recordings for it may be written to the folder."""


def phones(folder: Path) -> tuple[Behaviour, ...]:
    """Agents' phones answer by themselves; one whose name begins with `busy-` never does."""
    silence = somebody_breathes(folder)
    return (
        Behaviour(name="busy", users="busy-[^@]*", ring_ms=None, refusal="486 Busy Here"),
        Behaviour(name="phone", users="[^@]*", ring_ms=None, audio=silence, repeats=True),
    )


class Network:
    """Handles to the parts, and the words that an adapter needs to be pointed at them."""

    def __init__(
        self, folder: Path, family: int = 22, behaviours: Behaviours = people, nodes: int = 1
    ) -> None:
        self._folder = folder
        self._callers = 0
        self.prompts = folder / "prompts"
        """Where Asterisk finds the audio of prompts."""
        self.prompts.mkdir()
        names = ["asterisk", *(f"asterisk-{n}" for n in range(2, nodes + 1))]
        self.nodes = [Pbx(folder / name, family) for name in names]
        """Asterisks that can call each other; people and phones are the same for all."""
        self.pbx = self.nodes[0]
        self.carrier = FarEnd("carrier", folder, behaviours(folder))
        self.phones = FarEnd("phones", folder, phones(folder))

    def somebody_calls(
        self, caller: str | None, called: str, patience_s: float, at: Pbx | None = None
    ) -> Caller:
        """Somebody dials one of our numbers; without a `caller` the number is withheld.

        `at` is the Asterisk that the carrier brings the call to, the first where none is given.
        """
        self._callers += 1
        name = f"caller-{self._callers}"
        sip_port = (at or self.pbx).sip_port
        made = Caller(name, self._folder, sip_port, caller, called, patience_s)
        made.start()
        return made

    @property
    def dial(self) -> str:
        """Dial string of a person's number through the carrier."""
        return f"PJSIP/trunk/sip:{{number}}@{LOOPBACK}:{self.carrier.port}"

    @property
    def agent_dial(self) -> str:
        """Dial string of an agent's phone."""
        return f"PJSIP/phone/sip:{{agent}}@{LOOPBACK}:{self.phones.port}"

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for far_end in (self.carrier, self.phones):
            far_end.start()

    def stop(self) -> None:
        for far_end in (self.phones, self.carrier):
            far_end.stop()
        for node in self.nodes:
            node.stop()


@contextmanager
def running_network(
    family: int | None = None, behaviours: Behaviours = people, nodes: int = 1
) -> Iterator[Network]:
    """A laboratory in a folder of its own. Raises `LabError` with what is missing."""
    family = family or int(os.environ.get(FAMILY_VARIABLE, "22"))
    folder = Path(tempfile.mkdtemp(prefix="marcador-lab-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        network = Network(folder, family, behaviours, nodes)
        hand_over(folder)
        try:
            network.start()
            yield network
        finally:
            network.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
