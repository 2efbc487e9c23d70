from source_vitess.proto import binlogdata_pb2 as _binlogdata_pb2
from source_vitess.proto import topodata_pb2 as _topodata_pb2
from source_vitess.proto import vtrpc_pb2 as _vtrpc_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VStreamFlags(_message.Message):
    __slots__ = ("minimize_skew", "heartbeat_interval", "stop_on_reshard", "cells", "cell_preference", "tablet_order", "stream_keyspace_heartbeats", "include_reshard_journal_events", "tables_to_copy", "exclude_keyspace_from_table_name", "transaction_chunk_size")
    MINIMIZE_SKEW_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STOP_ON_RESHARD_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    CELL_PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    TABLET_ORDER_FIELD_NUMBER: _ClassVar[int]
    STREAM_KEYSPACE_HEARTBEATS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_RESHARD_JOURNAL_EVENTS_FIELD_NUMBER: _ClassVar[int]
    TABLES_TO_COPY_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_KEYSPACE_FROM_TABLE_NAME_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_CHUNK_SIZE_FIELD_NUMBER: _ClassVar[int]
    minimize_skew: bool
    heartbeat_interval: int
    stop_on_reshard: bool
    cells: str
    cell_preference: str
    tablet_order: str
    stream_keyspace_heartbeats: bool
    include_reshard_journal_events: bool
    tables_to_copy: _containers.RepeatedScalarFieldContainer[str]
    exclude_keyspace_from_table_name: bool
    transaction_chunk_size: int
    def __init__(self, minimize_skew: bool = ..., heartbeat_interval: _Optional[int] = ..., stop_on_reshard: bool = ..., cells: _Optional[str] = ..., cell_preference: _Optional[str] = ..., tablet_order: _Optional[str] = ..., stream_keyspace_heartbeats: bool = ..., include_reshard_journal_events: bool = ..., tables_to_copy: _Optional[_Iterable[str]] = ..., exclude_keyspace_from_table_name: bool = ..., transaction_chunk_size: _Optional[int] = ...) -> None: ...

class VStreamRequest(_message.Message):
    __slots__ = ("caller_id", "tablet_type", "vgtid", "filter", "flags")
    CALLER_ID_FIELD_NUMBER: _ClassVar[int]
    TABLET_TYPE_FIELD_NUMBER: _ClassVar[int]
    VGTID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    caller_id: _vtrpc_pb2.CallerID
    tablet_type: _topodata_pb2.TabletType
    vgtid: _binlogdata_pb2.VGtid
    filter: _binlogdata_pb2.Filter
    flags: VStreamFlags
    def __init__(self, caller_id: _Optional[_Union[_vtrpc_pb2.CallerID, _Mapping]] = ..., tablet_type: _Optional[_Union[_topodata_pb2.TabletType, str]] = ..., vgtid: _Optional[_Union[_binlogdata_pb2.VGtid, _Mapping]] = ..., filter: _Optional[_Union[_binlogdata_pb2.Filter, _Mapping]] = ..., flags: _Optional[_Union[VStreamFlags, _Mapping]] = ...) -> None: ...

class VStreamResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_binlogdata_pb2.VEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_binlogdata_pb2.VEvent, _Mapping]]] = ...) -> None: ...
