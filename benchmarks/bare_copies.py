"""Copies many tables with as little as a client can do: a VStream for each, some at a time, nothing kept.

    python -m benchmarks.bare_copies <host:port> <folder with a file for each VStreamRequest> <tables at a time>

Prints the seconds from the first message to the end of the last copy.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from source_vitess.proto import binlogdata_pb2, vtgate_pb2
from source_vitess.vstream.client import METHOD


def main(address: str, folder: str, at_once: int) -> None:
    """Reads each stream until VTGate says that all shards are copied."""
    requests = [file.read_bytes() for file in sorted(Path(folder).iterdir())]
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(at_once) as threads:
        copies: grpc.UnaryStreamMultiCallable[bytes, vtgate_pb2.VStreamResponse] = channel.unary_stream(
            METHOD, request_serializer=None, response_deserializer=vtgate_pb2.VStreamResponse.FromString
        )
        times = [*threads.map(lambda request: _copy(copies, request), requests)]
    print(max(end for _, end in times) - min(first for first, _ in times))


def _copy(
    copies: grpc.UnaryStreamMultiCallable[bytes, vtgate_pb2.VStreamResponse], request: bytes
) -> tuple[float, float]:
    """Returns when the first message came, and when the copy was complete.

    Raises:
        EOFError: It ended before.
    """
    messages = copies(request)
    first = 0.0
    for message in messages:
        first = first or time.monotonic()
        if any(event.type == binlogdata_pb2.COPY_COMPLETED and not event.shard for event in message.events):
            messages.cancel()
            return first, time.monotonic()
    raise EOFError("VTGate ended a copy before it was complete")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
