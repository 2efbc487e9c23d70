"""Our trimmed protobuf definitions are Vitess' own, message by message, and on the wire.

Vitess' descriptors are in fixtures/vitess_v24_descriptors.json, written by protos/upstream_descriptors.py from the
release in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, unknown_fields
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from instruments.scripted_vtgate.wire import pack_lengths
from source_vitess.proto import binlogdata_pb2, query_pb2, topodata_pb2, vtgate_pb2, vtrpc_pb2

#: Put before Vitess' package names, so that both can be loaded into one process.
_PREFIX = "source_vitess."

#: Fields that are of another type here, the same on the wire.
_DEVIATIONS = {
    # A packed `repeated sint64` is one length-delimited field, read here in one step instead of number by number.
    "query.Row.lengths": "bytes",
    # A query.QueryResult that is kept, and goes back to VTGate, exactly as it came unless its values must be others.
    "binlogdata.TableLastPK.lastpk": "bytes",
}

_MODULES: tuple[ModuleType, ...] = (binlogdata_pb2, query_pb2, topodata_pb2, vtgate_pb2, vtrpc_pb2)


def _load_upstream() -> descriptor_pool.DescriptorPool:
    """Returns Vitess' descriptors in a pool of their own."""
    text = (Path(__file__).parent / "fixtures" / "vitess_v24_descriptors.json").read_text(encoding="utf-8")
    pool = descriptor_pool.DescriptorPool()
    for file in json_format.Parse(text, descriptor_pb2.FileDescriptorSet()).file:
        pool.Add(file)
    return pool


_UPSTREAM = _load_upstream()


def _our_messages() -> Iterator[Descriptor]:
    for module in _MODULES:
        for message in module.DESCRIPTOR.message_types_by_name.values():
            yield message
            yield from message.nested_types


def _our_enums() -> Iterator[EnumDescriptor]:
    for module in _MODULES:
        yield from module.DESCRIPTOR.enum_types_by_name.values()


class _Named(Protocol):
    @property
    def full_name(self) -> str: ...


def _upstream_name(descriptor: _Named) -> str:
    return descriptor.full_name.removeprefix(_PREFIX)


def _shape(field: FieldDescriptor) -> tuple[object, ...]:
    """Returns what the wire depends on."""
    referred = field.message_type or field.enum_type
    return (
        field.number,
        field.type,
        field.is_repeated,
        field.is_packed,
        field.has_presence,
        _upstream_name(referred) if referred else None,
    )


@pytest.mark.parametrize("ours", list(_our_messages()), ids=_upstream_name)
def test_every_message_is_as_in_vitess(ours: Descriptor) -> None:
    """Each field has Vitess' name, number, type and cardinality; the listed deviations are the only ones."""
    upstream = _UPSTREAM.FindMessageTypeByName(_upstream_name(ours))
    for field in ours.fields:
        theirs = upstream.fields_by_name[field.name]
        name = _upstream_name(field)
        if name in _DEVIATIONS:
            assert field.type == FieldDescriptor.TYPE_BYTES
            assert not field.is_repeated
            assert field.number == theirs.number
            assert theirs.is_packed or theirs.type == FieldDescriptor.TYPE_MESSAGE
        else:
            assert _shape(field) == _shape(theirs), name


@pytest.mark.parametrize("ours", list(_our_enums()), ids=_upstream_name)
def test_every_enum_is_as_in_vitess(ours: EnumDescriptor) -> None:
    """The same names for the same numbers, and no number left out: it would be an unknown event or type.

    Vitess has second names for two tablet types, which are not needed.
    """
    upstream = _UPSTREAM.FindEnumTypeByName(_upstream_name(ours))
    theirs = {value.name: value.number for value in upstream.values}
    known = {value.name: value.number for value in ours.values}
    assert known.items() <= theirs.items()
    assert {*known.values()} == {*theirs.values()}


def test_the_deviations_exist() -> None:
    """The list holds no field that is not there any more."""
    fields = {_upstream_name(field) for message in _our_messages() for field in message.fields}
    assert fields >= _DEVIATIONS.keys()


def test_the_call_is_the_one_that_is_made() -> None:
    """VStream is server streaming, of these two messages, under the path that the connector uses."""
    service = _UPSTREAM.FindServiceByName("vtgateservice.Vitess")
    method = service.methods_by_name["VStream"]
    assert (method.input_type.full_name, method.output_type.full_name) == (
        "vtgate.VStreamRequest",
        "vtgate.VStreamResponse",
    )
    assert (method.client_streaming, method.server_streaming) == (False, True)


def _upstream_message(name: str) -> Message:
    return message_factory.GetMessageClass(_UPSTREAM.FindMessageTypeByName(name))()


def _lastpk() -> bytes:
    result = _upstream_message("query.QueryResult")
    json_format.ParseDict(
        {"fields": [{"name": "id", "type": "INT64"}], "rows": [{"lengths": ["1", "-1"], "values": "MQ=="}]}, result
    )
    return result.SerializeToString()


_LENGTHS = [1, -1, 300]

#: Values of the deviating fields that both sides can read.
_DEVIATING_VALUES = {"query.Row.lengths": pack_lengths(_LENGTHS), "binlogdata.TableLastPK.lastpk": _lastpk()}


def _fill(message: Message) -> None:
    """Sets every field, at every depth, to a value that is not the default and follows from the field's number."""
    for field in cast("Sequence[FieldDescriptor]", message.DESCRIPTOR.fields):
        target = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            continue
        if field.message_type and _upstream_name(field) in _DEVIATING_VALUES:
            target.ParseFromString(_DEVIATING_VALUES[_upstream_name(field)])
        elif field.message_type:
            _fill(target.add() if field.is_repeated else target)
        elif field.is_repeated and _upstream_name(field) in _DEVIATING_VALUES:
            target.extend(_LENGTHS)
        elif field.is_repeated:
            target.extend([_value(field)] * 2)
        else:
            setattr(message, field.name, _value(field))


def _value(field: FieldDescriptor) -> object:
    if _upstream_name(field) in _DEVIATING_VALUES:
        return _DEVIATING_VALUES[_upstream_name(field)]
    if field.enum_type:
        return field.enum_type.values[-1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"text {field.number}"
    return b"bytes %d" % field.number if field.type == FieldDescriptor.TYPE_BYTES else 1000 + field.number


_CALL_MESSAGES = (vtgate_pb2.VStreamRequest, vtgate_pb2.VStreamResponse)


@pytest.mark.parametrize("ours", _CALL_MESSAGES)
def test_vitess_reads_what_we_write(ours: type[Message]) -> None:
    """Every field we know arrives: nothing is unknown to Vitess, and it would write the same bytes."""
    sent = ours()
    _fill(sent)
    data = sent.SerializeToString(deterministic=True)
    read = _upstream_message(_upstream_name(ours.DESCRIPTOR))
    read.ParseFromString(data)
    assert len(unknown_fields.UnknownFieldSet(read)) == 0
    assert read.SerializeToString(deterministic=True) == data


@pytest.mark.parametrize("ours", _CALL_MESSAGES)
def test_we_read_what_vitess_writes(ours: type[Message]) -> None:
    """What we know is read as it was meant; what we do not know is no error and is kept."""
    sent = _upstream_message(_upstream_name(ours.DESCRIPTOR))
    _fill(sent)
    read = ours()
    read.ParseFromString(sent.SerializeToString())
    again = _upstream_message(_upstream_name(ours.DESCRIPTOR))
    again.ParseFromString(read.SerializeToString())
    assert again == sent
    expected = ours()
    _fill(expected)
    read.DiscardUnknownFields()
    assert read == expected


def test_lengths_are_the_same_bytes() -> None:
    """Vitess' packed numbers are our bytes, and the other way round."""
    theirs = _upstream_message("query.Row")
    lengths = [0, 1, -1, 127, 128, 16383, 16384, 2**31]
    json_format.ParseDict({"lengths": [str(length) for length in lengths], "values": "eA=="}, theirs)
    ours = query_pb2.Row.FromString(theirs.SerializeToString())
    assert ours.lengths == pack_lengths(lengths)
    assert ours.SerializeToString() == theirs.SerializeToString()


def test_lastpk_goes_back_as_it_came() -> None:
    """Byte for byte, whatever is in it."""
    theirs = _upstream_message("binlogdata.TableLastPK")
    theirs.ParseFromString(binlogdata_pb2.TableLastPK(table_name="t", lastpk=_lastpk()).SerializeToString())
    ours = binlogdata_pb2.TableLastPK.FromString(theirs.SerializeToString())
    assert ours.lastpk == _lastpk()
