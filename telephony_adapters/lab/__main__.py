"""Bring the laboratory up, and end it with Ctrl-C or with the command that is run in it.

python -m telephony_adapters.lab                    print addresses and wait
python -m telephony_adapters.lab COMMAND ARGS...    run a command pointed at it
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from telephony_adapters.lab.errors import LabError
from telephony_adapters.lab.network import Network, running_network
from telephony_adapters.lab.pbx import SUITES, USER
from telephony_adapters.lab.speech import espeak_program

NODE_NAMES = ("north", "south", "east", "west")
UNAVAILABLE = 4
"""Exit code where a part of the laboratory cannot be had."""
INTERRUPTED = 130


def environment(network: Network) -> dict[str, str]:
    """Configuration of Marcador for this laboratory, as environment variables."""
    nodes = {
        f"MARCADOR_ASTERISK__NODES__{name.upper()}__{key}": value
        for name, pbx in zip(NODE_NAMES, network.nodes, strict=False)
        for key, value in (
            ("URL", pbx.url),
            ("PASSWORD", pbx.password),
            ("LINK_DIAL", pbx.link_dial),
        )
        if len(network.nodes) > 1
    }
    return nodes | {
        "MARCADOR_TELEPHONY__ADAPTER": "asterisk",
        "MARCADOR_ASTERISK__URL": network.pbx.url,
        "MARCADOR_ASTERISK__USER": USER,
        "MARCADOR_ASTERISK__PASSWORD": network.pbx.password,
        "MARCADOR_ASTERISK__DIAL": network.dial,
        "MARCADOR_ASTERISK__AGENT_DIAL": network.agent_dial,
        "MARCADOR_ASTERISK__AMD_CONTEXT": "marcador-amd",
        "MARCADOR_ASTERISK__LABORATORY": "true",
        "MARCADOR_PROMPTS__FOLDER": str(network.prompts),
        "MARCADOR_PROMPTS__COMMAND": espeak_program(network.prompts.parent),
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m telephony_adapters.lab", description=__doc__)
    parser.add_argument("--family", type=int, choices=sorted(SUITES), help="of Asterisk")
    parser.add_argument(
        "--nodes",
        type=int,
        choices=range(1, len(NODE_NAMES) + 1),
        default=1,
        help="Asterisks that can call each other",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="to run in the laboratory")
    options = parser.parse_args(arguments)
    # An end by signal goes the same way as Ctrl-C: the children are stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_network(options.family, nodes=options.nodes) as network:
            if options.command:
                return _run(options.command, network)
            _show(network)
            signal.pause()
    except LabError as error:
        print(f"The laboratory cannot be brought up: {error}", file=sys.stderr)
        return UNAVAILABLE
    except KeyboardInterrupt:
        return INTERRUPTED if options.command else 0
    return 0


def _run(command: Sequence[str], network: Network) -> int:
    with subprocess.Popen(command, env={**os.environ, **environment(network)}) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # Ctrl-C reaches the command too, and it decides how it ends.
                continue


def _show(network: Network) -> None:
    print("A telephone network on this machine; nobody real can be called. Ctrl-C ends it.")
    for pbx in network.nodes:
        print(f"  Asterisk {pbx.family}: ARI {pbx.url}/ari, ", end="")
        print(f"SIP 127.0.0.1:{pbx.sip_port}, pid {pbx.pid}")
    print(
        f"  carrier: SIP 127.0.0.1:{network.carrier.port}; the last two digits of a number decide"
    )
    print("           00-29 person  30-44 machine  45-74 nobody  75-84 busy  85-89 480  90-92 404")
    print("           93 rejects  94-95 full  96 dead  97 hangs up at once  98 keys  99 stays")
    print(f"  agents' phones: SIP 127.0.0.1:{network.phones.port}, any name")
    print(f"  to call in: any SIP client, sip:+NUMBER@127.0.0.1:{network.pbx.sip_port}")
    print("To point Marcador at it:")
    for name, value in environment(network).items():
        print(f"  export {name}='{value}'")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
