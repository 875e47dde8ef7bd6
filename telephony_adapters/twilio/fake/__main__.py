"""`python -m telephony_adapters.twilio.fake`: a Twilio of one's own, on loopback."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from telephony_adapters.simulator.correspondents import SeededCorrespondents
from telephony_adapters.simulator.world import SeededWorld
from telephony_adapters.twilio.fake.clock import FastClock
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import UnreadableFault, parse_fault
from telephony_adapters.twilio.fake.lines import ScriptedWorld, UnreadableLine, parse_line
from telephony_adapters.twilio.fake.outcomes import (
    ScriptedPeople,
    UnreadableOutcome,
    parse_outcome,
)
from telephony_adapters.twilio.fake.server import FakeTwilio

PORT = 8480


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    options = _parser().parse_args(arguments)
    try:
        lines = dict(parse_line(text) for text in options.line)
        faults = dict(parse_fault(text) for text in options.fault)
        outcomes = dict(parse_outcome(text) for text in options.text)
    except (UnreadableLine, UnreadableFault, UnreadableOutcome) as error:
        print(error, file=sys.stderr)
        return 2
    settings = FakeSettings(
        account_sid=options.account_sid,
        auth_token=options.auth_token,
        calls_per_s=options.calls_per_s,
        inbound_url=options.inbound_url,
        voice_url=options.voice_url,
        voice_status_url=options.voice_status_url,
    )
    world = ScriptedWorld(lines, SeededWorld(options.seed))
    people = ScriptedPeople(outcomes, SeededCorrespondents(options.seed))
    fake = FakeTwilio(settings, FastClock(options.speed), world, faults, people)
    try:
        asyncio.run(_serve(fake, options.port))
    except OSError as error:
        print(f"port {options.port}: {error.strerror}; choose another --port", file=sys.stderr)
        return 4
    return 0


async def _serve(fake: FakeTwilio, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        await fake.start(port)
        print(
            f"Twilio, played on this machine: {fake.url} (no real person is called)\n"
            f"  twilio.account_sid = {fake.settings.account_sid}\n"
            f"  twilio.auth_token  = {fake.settings.auth_token}",
            flush=True,
        )
        await stop.wait()
    finally:
        await fake.stop()


def _parser() -> argparse.ArgumentParser:
    usual = FakeSettings()
    parser = argparse.ArgumentParser(
        prog="python -m telephony_adapters.twilio.fake",
        description="Twilio's REST API on loopback, with simulated people and signed webhooks.",
    )
    add = parser.add_argument
    add("--port", type=int, default=PORT, help=f"TCP port on 127.0.0.1; default {PORT}")
    add("--account-sid", default=usual.account_sid)
    add("--auth-token", default=usual.auth_token)
    add(
        "--calls-per-s", type=float, default=usual.calls_per_s,
        help="calls above this rate wait in the queue, as at Twilio; default 1",
    )  # fmt: skip
    add("--speed", type=float, default=1.0, help="its seconds in one real second; default 1")
    add("--seed", type=int, default=1, help="same seed, same people")
    add(
        "--line", action="append", default=[], metavar="NUMBER=BEHAVIOUR[:SECONDS]",
        help="what one number does: human, machine, fax, rings, dead, busy, unavailable, "
        "not_in_service, rejects, congested, fails; SECONDS until it hangs up by itself",
    )  # fmt: skip
    add(
        "--inbound-url", default=usual.inbound_url, metavar="URL",
        help="where messages to the account's numbers are told, as set in Twilio's console: "
        "Marcador's public address and /twilio/message/in",
    )  # fmt: skip
    add(
        "--voice-url", default=usual.voice_url, metavar="URL",
        help="whom the account's numbers ask what to do with a call that comes in: Marcador's "
        "public address and /twilio/voice",
    )  # fmt: skip
    add(
        "--voice-status-url", default=usual.voice_status_url, metavar="URL",
        help="where they tell that it has ended: Marcador's public address and "
        "/twilio/voice/status",
    )  # fmt: skip
    add(
        "--text", action="append", default=[], metavar="NUMBER=OUTCOME[:ANSWER]",
        help="what becomes of messages to one number: delivered, read, unknown, landline, "
        "unreachable, filtered, invalid; ANSWER is what its owner writes back",
    )  # fmt: skip
    add(
        "--fault", action="append", default=[], metavar="NUMBER=FAULT",
        help="what goes wrong with calls and messages to one number: too_many, server_error, "
        "server_error_placed, silent, silent_placed, refused, repeats, late, out_of_order, "
        "wrong_signature",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
