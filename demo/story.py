"""How a demo runs: with a folder of its own for what it writes, and an end that a person understands."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pymysql
from vitess_local.errors import VitessLocalError

from demo.connector import DemoError
from instruments.oracle import OracleError

#: Where both demos write: configurations, messages, states.
OUTPUT = Path("demo-output")


def run_story(story: Callable[[], None]) -> int:
    """Runs a demo in an empty output folder.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # In a pipe too, lines come in the order in which they are written.
        sys.stdout.reconfigure(line_buffering=True)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    try:
        story()
    except (DemoError, OracleError, VitessLocalError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except pymysql.MySQLError as error:
        print(f"\nThe demo failed: MySQL reported {' '.join(map(str, error.args))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe demo was interrupted; run it again at any time.", file=sys.stderr)
        return 130
    return 0
