"""A plain VStream client for tests of the double, and for recording what a real VTGate sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import grpc

from instruments.scripted_vtgate.wire import values_of
from source_vitess.proto import binlogdata_pb2, vtgate_pb2

Response = vtgate_pb2.VStreamResponse


class Stream:
    """One call. To be closed."""

    def __init__(
        self,
        port: int,
        request: vtgate_pb2.VStreamRequest | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
        timeout: float = 20.0,
    ) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)])
        method = self._channel.unary_stream(
            "/vtgateservice.Vitess/VStream",
            request_serializer=vtgate_pb2.VStreamRequest.SerializeToString,
            response_deserializer=Response.FromString,
        )
        self.call = method(
            request or vtgate_pb2.VStreamRequest(), metadata=tuple((metadata or {}).items()), timeout=timeout
        )

    def __iter__(self) -> Iterator[Response]:
        return iter(self.call)

    def next(self) -> Response:
        """Returns the next response."""
        response = next(iter(self.call))
        assert isinstance(response, Response)
        return response

    def take(self, count: int) -> list[Response]:
        """Returns the next responses."""
        return [self.next() for _ in range(count)]

    def until(self, enough: Callable[[binlogdata_pb2.VEvent], bool]) -> list[Response]:
        """Returns the responses up to one that has an event that is enough."""
        responses = []
        while True:
            responses.append(self.next())
            if any(enough(event) for event in responses[-1].events):
                return responses

    def until_copied(self) -> list[Response]:
        """Returns the responses up to COPY_COMPLETED of all shards."""
        return self.until(lambda event: event.type == binlogdata_pb2.COPY_COMPLETED and not event.shard)

    def until_gtids(self, gtids: Mapping[str, str]) -> list[Response]:
        """Returns the responses up to one with a VGTID of exactly these positions."""
        return self.until(
            lambda event: (
                event.type == binlogdata_pb2.VGTID
                and {entry.shard: entry.gtid for entry in event.vgtid.shard_gtids} == dict(gtids)
            )
        )

    def close(self) -> None:
        """Cancels the call."""
        self.call.cancel()
        self._channel.close()


def request(
    vgtid: binlogdata_pb2.VGtid,
    tables: Iterable[str],
    *,
    columns: Iterable[str] = (),
    tablet_type: str = "PRIMARY",
    flags: vtgate_pb2.VStreamFlags | None = None,
) -> vtgate_pb2.VStreamRequest:
    """Returns a request for tables by exact name, all columns unless some are named."""
    chosen = ", ".join(f"`{column}`" for column in columns) or "*"
    return vtgate_pb2.VStreamRequest(
        tablet_type=tablet_type,
        vgtid=vgtid,
        filter=binlogdata_pb2.Filter(
            rules=[binlogdata_pb2.Rule(match=table, filter=f"select {chosen} from `{table}`") for table in tables]
        ),
        flags=flags,
    )


def last_vgtid(responses: Iterable[Response]) -> binlogdata_pb2.VGtid:
    """Returns the last position in the responses."""
    return [event.vgtid for response in responses for event in response.events if event.type == binlogdata_pb2.VGTID][
        -1
    ]


def kinds(response: Response) -> str:
    """Returns the types of a response's events: `BEGIN FIELD`."""
    return " ".join(binlogdata_pb2.VEventType.Name(event.type) for event in response.events)


def rows(count: int, start: int = 1) -> list[dict[str, int | str]]:
    """Returns rows for table `t` of the fixture `follow`."""
    return [{"id": number, "name": f"n{number}"} for number in range(start, start + count)]


def ids(responses: Iterable[Response]) -> list[int]:
    """Returns the ids (the first column) of the rows there are after each change, in order."""
    return [
        int(values_of(change.after)[0] or 0)
        for response in responses
        for event in response.events
        for change in event.row_event.row_changes
        if change.HasField("after")
    ]


def is_lastpk(event: binlogdata_pb2.VEvent) -> bool:
    """Tells a checkpoint of a copy."""
    return any(entry.table_p_ks for entry in event.vgtid.shard_gtids)
