"""The destination: spec, check, write."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    Status,
)
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from source_vitess.airbyte.cdk import failed_check, to_messages, traced
from source_vitess.airbyte.lines import log_line
from source_vitess.airbyte.masking import long_secrets, masked, set_secrets
from source_vitess.errors import ConnectorError

from destination_readyset.bookkeeping import Bookkeeping
from destination_readyset.check import check
from destination_readyset.companion import AFTER_CHANGE, Companion
from destination_readyset.config import Config
from destination_readyset.keyspace import read_tables
from destination_readyset.plan import plan_streams
from destination_readyset.prepare import Prepared, lock_tables, prepare
from destination_readyset.sender import Sender
from destination_readyset.served import connect
from destination_readyset.writer import Writer

Emit = Callable[[bytes], None]


class DestinationReadyset(Destination):
    """Writes a keyspace's records into the MySQL that a ReadySet replicates."""

    # Config.from_json checks more than a JSON schema could.
    check_config_against_spec = False

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Tells whether the server can be written and replicated, and if not, what to do."""
        try:
            for line in check(_parse_config(config)):
                logger.info(masked(line))
        except ConnectorError as error:
            return failed_check(error, logger)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def write(
        self,
        config: Mapping[str, Any],
        configured_catalog: ConfiguredAirbyteCatalog,
        input_messages: Iterable[AirbyteMessage],
    ) -> Iterable[AirbyteMessage]:
        """Writes the CDK's messages and yields the states that were committed; `write_lines` is many times faster."""
        emitted: deque[bytes] = deque()
        try:
            self.write_lines(config, configured_catalog, map(_line, input_messages), emitted.append)
        except ConnectorError as error:
            yield from to_messages(emitted)
            raise traced(error) from error
        yield from to_messages(emitted)

    def write_lines(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        lines: Iterable[bytes],
        emit: Emit,
        *,
        failed: Callable[[], None] = lambda: None,
        pass_on: bool = False,
        finish: Callable[[Companion], None] = Companion.wait,
    ) -> None:
        """Writes lines of Airbyte messages until they end.

        Args:
            config: The configuration.
            catalog: The configured catalog.
            lines: Each a message in JSON.
            emit: Takes lines for stdout: the states that were committed, and logs. Called from several threads.
            failed: Called, on another thread, when writing failed while `lines` may still be waited for.
            pass_on: Whether to emit what the source logs and traces, too.
            finish: Ends what looks after a ReadySet, once all is written.

        Raises:
            ConnectorError: Nothing after the last state that was emitted is in the tables.
        """
        parsed = _parse_config(config)

        def log(level: str, text: str) -> None:
            emit(log_line(level, text))

        keyspace = read_tables(parsed.vitess) if parsed.vitess is not None else None
        plans = plan_streams(parsed, catalog, keyspace)
        bookkeeping = Bookkeeping(parsed.bookkeeping_database)
        connection = connect(parsed.mysql)
        try:
            lock_tables(connection, plans)
            prepared = prepare(connection, bookkeeping, plans)
            connection.autocommit(False)
        except BaseException:
            connection.close()
            raise
        for remark in prepared.remarks:
            log("INFO", remark)
        sender = Sender(connection, failed, lambda text: log("WARN", text))
        companion = _look_after_readyset(parsed, prepared, log, sender)
        try:
            Writer(plans, prepared, bookkeeping, sender, emit, pass_on=pass_on).run(lines)
        finally:
            sender.close()
        if companion is not None:
            finish(companion)


def _look_after_readyset(
    config: Config, prepared: Prepared, log: Callable[[str, str], None], sender: Sender
) -> Companion | None:
    """Starts to apply the cache statements, and to look whether ReadySet goes on, if there is one."""
    if config.readyset is None:
        return None
    companion = Companion(config.readyset, config.caches, log, sender)
    companion.start(AFTER_CHANGE if prepared.changed else AFTER_CHANGE[:1])
    return companion


def _parse_config(config: Mapping[str, Any]) -> Config:
    parsed = Config.from_json(config)
    set_secrets(parsed.secrets)
    update_secrets(long_secrets())
    return parsed


def _line(message: AirbyteMessage) -> bytes:
    return orjson.dumps(AirbyteMessageSerializer.dump(message))
