"""The command line: `marcador COMMAND`. `docs/cli.md` describes every command."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `marcador` program."""
    from dialer.cli.app import run_cli

    sys.exit(run_cli(sys.argv[1:]))
