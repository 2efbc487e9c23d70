"""Writes what Vitess itself says about the VStream call: every message, field and enum that a call can hold.

    python protos/upstream_descriptors.py "$(go list -m -f '{{.Dir}}' vitess.io/vitess)/proto" \
        > unit_tests/fixtures/vitess_v24_descriptors.json

Run it in a Go module that requires the release, with a Python that has grpcio-tools.
unit_tests/test_protos.py compares our trimmed definitions with the output.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2, json_format

_ENTRY = "vtgateservice.proto"
_SERVICE_PACKAGE, _CALL = "vtgateservice", "VStream"
_MESSAGES = (".vtgate.VStreamRequest", ".vtgate.VStreamResponse")


def compile_protos(directory: Path) -> descriptor_pb2.FileDescriptorSet:
    """Returns the descriptors of Vitess' service definition and all it imports."""
    # Not at the top: `trim` is of use without a compiler.
    from grpc_tools import protoc  # type: ignore[import-not-found] # it pins another protobuf

    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "descriptors.bin"
        well_known = resources.files("grpc_tools") / "_proto"
        arguments = [f"-I{directory}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={output}", _ENTRY]
        if protoc.main(["protoc", *arguments]) != 0:
            raise SystemExit(f"protoc failed on {directory / _ENTRY}")
        return descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())


def trim(everything: descriptor_pb2.FileDescriptorSet) -> descriptor_pb2.FileDescriptorSet:
    """Returns the files with only what a VStream call can hold, and only what the wire depends on."""
    needed = _closure(everything)
    trimmed = descriptor_pb2.FileDescriptorSet()
    for file in everything.file:
        prefix = f".{file.package}."
        messages = [message for message in file.message_type if prefix + message.name in needed]
        enums = [enum for enum in file.enum_type if prefix + enum.name in needed]
        is_service = file.package == _SERVICE_PACKAGE
        if messages or enums or is_service:
            kept = trimmed.file.add(name=file.name, package=file.package, syntax=file.syntax)
            kept.dependency.extend(file.dependency)
            kept.message_type.extend(messages)
            kept.enum_type.extend(enums)
            if is_service:
                service = kept.service.add(name=file.service[0].name)
                service.method.extend(method for method in file.service[0].method if method.name == _CALL)
    names = {file.name for file in trimmed.file}
    for file in trimmed.file:
        dependencies = [name for name in file.dependency if name in names]
        del file.dependency[:]
        file.dependency.extend(dependencies)
        for message in file.message_type:
            _strip(message)
    return trimmed


def _closure(everything: descriptor_pb2.FileDescriptorSet) -> set[str]:
    """Returns the top-level messages and enums that the call's messages need, by full name."""
    messages = {f".{file.package}.{message.name}": message for file in everything.file for message in file.message_type}
    needed: set[str] = set()
    pending = list(_MESSAGES)
    while pending:
        # A nested type comes with the message around it.
        name = ".".join(pending.pop().split(".")[:3])
        if name not in needed:
            needed.add(name)
            if name in messages:
                pending.extend(field.type_name for field in _fields(messages[name]) if field.type_name)
    return needed


def _fields(message: descriptor_pb2.DescriptorProto) -> Iterator[descriptor_pb2.FieldDescriptorProto]:
    yield from message.field
    for nested in message.nested_type:
        yield from _fields(nested)


def _strip(message: descriptor_pb2.DescriptorProto) -> None:
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _strip(nested)


def main() -> None:
    """Writes the descriptors as JSON."""
    [directory] = sys.argv[1:]
    trimmed = trim(compile_protos(Path(directory)))
    sys.stdout.write(json_format.MessageToJson(trimmed, indent=1, preserving_proto_field_name=True) + "\n")


if __name__ == "__main__":
    main()
