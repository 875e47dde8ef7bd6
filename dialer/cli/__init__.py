"""The command line: `marcador COMMAND`. `docs/cli.md` describes every command."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry point of the `marcador` program."""
    from dialer.cli.app import run_cli

    code = run_cli(sys.argv[1:])
    # The command is over and its exit code known: an impatient second Ctrl-C cannot change it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
