"""Checks, discovers and reads with airbyte-serverless, incrementally if a state is given.

    python serverless.py EXECUTABLE CONFIG STATE ANSWER

Writes a JSON object to ANSWER: the connection's status, the streams, and the messages of the read, in order. STATE is
the JSON of the last read's last state, or empty.
"""

import json
import sys
from pathlib import Path

from airbyte_serverless.sources import ExecutableAirbyteSource


def main(executable: str, config: str, state: str, answer: str) -> None:
    """Runs it."""
    source = ExecutableAirbyteSource(executable, json.loads(Path(config).read_text()))
    told = {
        "status": source.connection_status["status"],
        "streams": source.available_streams,
        "messages": list(source.extract(state=[json.loads(state)] if state else None)),
    }
    Path(answer).write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
