"""What the CDK (7.39) does not do as this connector needs it, in one place.

- `AirbyteEntrypoint.handle_record_counts` raises ValueError for a GLOBAL state: `utils/message_utils.py` asks every
  state for its stream. `count_global_states` replaces it, in the stock class, because the CDK's standard tests and
  other callers within the process use that one.
- `DefaultConnectorMixin.configure` writes the configuration, secrets included, to a temporary file that nobody reads.
  `SourceVitess.configure` does not.
- `AirbyteEntrypoint` makes a monitor of memory that only its `read` asks, and that logs about itself.
- `AirbyteEntrypoint.check` validates against the spec's JSON schema first, with messages made for programmers.
  `VitessEntrypoint` leaves all of it to `Config.from_json`, which names the field and says what to do.
- A record takes 12 µs through `AirbyteEntrypoint.read` and loses its top-level nulls: see `lines.py`.
- `Source.read_state` takes a list only, and no `global_`: see `state.py`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.models import AirbyteMessage, AirbyteStateStats, AirbyteStateType, ConnectorSpecification, Type
from airbyte_cdk.sources import Source
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

_Counts = defaultdict[HashableStreamDescriptor, float]
_count_stream_state = AirbyteEntrypoint.handle_record_counts


def _handle_record_counts(message: AirbyteMessage, counts: _Counts) -> AirbyteMessage:
    """Puts the number of records since the last state on a state: of all streams, if it is GLOBAL."""
    state = message.state
    if message.type != Type.STATE or state is None or state.type != AirbyteStateType.GLOBAL:
        return _count_stream_state(message, counts)
    state.sourceStats = state.sourceStats or AirbyteStateStats()
    state.sourceStats.recordCount = float(sum(counts.values()))
    counts.clear()
    return message


def count_global_states() -> None:
    """Makes the CDK's entrypoint accept GLOBAL states. Safe to call again."""
    AirbyteEntrypoint.handle_record_counts = staticmethod(_handle_record_counts)  # type: ignore[assignment]


class VitessEntrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint for everything but `read`.

    Args:
        source: The connector.
    """

    def __init__(self, source: Source) -> None:
        # All that the CDK's does and these commands use.
        logger = logging.getLogger("airbyte")
        init_uncaught_exception_handler(logger)
        self.source = source
        self.logger = logger

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Does nothing: `Config.from_json` checks the configuration."""
