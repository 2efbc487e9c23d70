"""A response of a VStream, as its bytes: what it holds is looked at by whoever needs it, and only as far as needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from source_vitess.errors import InternalError
from source_vitess.proto import raw_pb2


@dataclass(frozen=True)
class Response:
    """A response (vtgate.VStreamResponse).

    Attributes:
        raw: Its bytes.
    """

    raw: bytes

    @property
    def events(self) -> Sequence[bytes]:
        """Its events, each in bytes.

        Raises:
            InternalError: The bytes are no response.
        """
        try:
            return raw_pb2.VStreamResponse.FromString(self.raw).events
        except DecodeError as error:
            # Its text names the place, and nothing of the content.
            raise InternalError(
                "The server on the gRPC port sent something else than a VStream.", detail=str(error)
            ) from None
