"""The least that a client can do: receives VStream's messages and throws them away.

    python -m benchmarks.throwaway <host:port> <file with a VStreamRequest> <times that the end is seen>

Prints the seconds from the first message to the last.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import grpc
import grpc.experimental

from benchmarks.tables import END
from source_vitess.vstream.client import METHOD

#: Without the thread that hands over each message otherwise, as the connector: nothing that gRPC has is cheaper.
OPTIONS = [("grpc.max_receive_message_length", -1), (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)]


def main(address: str, file: str, ends: int) -> None:
    """Reads until the last row of every shard was there."""
    marker = END.encode()
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
            METHOD, request_serializer=None, response_deserializer=None
        )
        messages = call(Path(file).read_bytes())
        started = 0.0
        for message in messages:
            started = started or time.monotonic()
            if marker in message:
                ends -= message.count(marker)
                if ends <= 0:
                    break
        print(time.monotonic() - started)
        messages.cancel()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
