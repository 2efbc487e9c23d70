"""The console script: `run`, or a command of Airbyte's.

Exit codes: 0 when the command did what it should (a failed check is a message, not a failure), 1 when it did not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs one command.

    Returns:
        The exit code.
    """
    # Only what the command needs: `run` is up for months, and Airbyte's CDK takes seconds to import, and 75 MB.
    if list(argv[:1]) == ["run"]:
        from destination_readyset.supervise import supervise

        return supervise(argv[1:])
    from destination_readyset.commands import run_command_line

    return run_command_line(argv)
