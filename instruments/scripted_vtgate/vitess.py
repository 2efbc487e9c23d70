"""The small Vitess of `model`, served: gRPC and MySQL protocol on free ports of the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.gateway import Gateway
from instruments.scripted_vtgate.model.sql import VtgateSql
from instruments.scripted_vtgate.mysql_server import VtgateMysqlServer
from instruments.scripted_vtgate.vstream_server import Call, VStreamServer
from source_vitess.proto import vtgate_pb2

#: `typing.Self` is not in Python 3.10.
_Self = TypeVar("_Self", bound="Vitess")


class Vitess(Cluster):
    """A keyspace that a connector can be pointed at.

    Attributes:
        vstream: The gRPC half; `vstream.requests` has what was asked.
        mysql: The MySQL half; `mysql.statements` has what was asked.
        sql: What the MySQL half answers; `sql.variables` can be changed.
    """

    def __init__(
        self,
        keyspace: str = "commerce",
        shards: Sequence[str] = ("-80", "80-"),
        *,
        track_schema_versions: bool = False,
    ) -> None:
        super().__init__(keyspace, shards, track_schema_versions=track_schema_versions)
        self.sql = VtgateSql(self)
        self.vstream = VStreamServer(self._answer)
        self.mysql = VtgateMysqlServer(self.sql)

    @property
    def url(self) -> str:
        """The connector's `url` for this keyspace."""
        return f"vitess://127.0.0.1:{self.vstream.port}/{self.keyspace}?mysql_port={self.mysql.port}"

    def start(self) -> None:
        """Starts to serve."""
        self.vstream.start()
        self.mysql.start()

    def stop(self) -> None:
        """Ends all streams and connections."""
        self.vstream.stop()
        self.mysql.stop()
        self.sql.close()

    def __enter__(self: _Self) -> _Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, call: Call) -> Iterator[vtgate_pb2.VStreamResponse]:
        return Gateway(self, call).responses()
