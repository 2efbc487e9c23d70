"""The connector's commands, each as lines of JSON: the parts put together.

The console script writes these lines, and the CDK's class (`source`) makes messages of them: what is said is decided
here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from source_vitess.airbyte.catalog import key_warnings, to_catalog
from source_vitess.airbyte.configured_catalog import ConfiguredCatalog
from source_vitess.airbyte.lines import catalog_line, log_line, status_line
from source_vitess.airbyte.masking import flagged_secrets, set_secrets
from source_vitess.airbyte.selection import Selection, select_streams
from source_vitess.airbyte.specification import read_specification
from source_vitess.airbyte.state import state_from_messages
from source_vitess.airbyte.sync_lines import LineWriter
from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, ConnectorError
from source_vitess.keyspace import LiveVitess
from source_vitess.network.tunnel import reachable
from source_vitess.position.start_position import parse_start_position
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.beginning import verify_start
from source_vitess.replication.patience import Answer, ask_again
from source_vitess.replication.settings import SyncSettings
from source_vitess.replication.sync import Sync
from source_vitess.rows import compiled
from source_vitess.schema import engine_warning
from source_vitess.settings.config import Config, InitialCopy, InvalidPositionBehavior, TruncateBehavior
from source_vitess.settings.table_patterns import choose_tables
from source_vitess.types.codec import TypeOptions


class Commands:
    """Reads a Vitess keyspace: its schema through VTGate's MySQL port, its rows through VStream."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    def check(self, config: Mapping[str, Any]) -> Iterator[bytes]:
        """Yields whether the keyspace can be read with this configuration, and if not, what to do."""
        failed = None
        try:
            parsed = parse_config(config)
            start = _start_position(parsed)
            from source_vitess.check import check  # not for a sync

            lines = check(parsed)
            if start is not None:
                with reachable(parsed) as reached, LiveVitess.connect(reached, self._clock) as vitess:
                    verify_start(vitess, start, vitess.shards())
            for line in lines:
                yield log_line("WARN" if line.warning else "INFO", line.text)
        except ConnectorError as error:
            if error.detail:
                yield log_line("INFO", error.detail)
            failed = error
        yield status_line(failed)

    def discover(self, config: Mapping[str, Any]) -> Iterator[bytes]:
        """Yields the keyspace's base tables as streams, those that the field table_patterns chooses.

        Raises:
            ConnectorError: They cannot be read.
        """
        parsed = parse_config(config)
        with reachable(parsed) as reached, LiveVitess.connect(reached, self._clock) as vitess:
            schema = vitess.schema()
        if parsed.table_patterns:
            schema = schema.only(choose_tables(parsed.table_patterns, schema.tables))
        for name in schema.left_out:
            yield log_line(
                "WARN",
                f"The table {name!r} is left out: Vitess cannot stream it, because of a backtick or a slash in its "
                "name. Rename it to read it.",
            )
        for table in schema.tables.values():
            for warning in (*key_warnings(table), *vitess.value_warnings(table, table.columns_by_name)):
                yield log_line("WARN", warning)
        if engines := engine_warning({name: table.engine for name, table in schema.tables.items()}):
            yield log_line("WARN", engines)
        yield catalog_line(to_catalog(schema, _type_options(parsed)))

    def read(
        self, config: Mapping[str, Any], catalog: ConfiguredCatalog, state: Sequence[Mapping[str, Any]]
    ) -> Iterator[bytes]:
        """Yields a sync's messages, whole lines at a time.

        Args:
            config: The configuration.
            catalog: What is to be read.
            state: The messages of the state to go on from, as `parse_state` returns them.

        Raises:
            ConfigError: The user has to act, for the sync or for some streams; what could be read was.
            TransientError: The sync can succeed later.
            InternalError: A rule was broken.
        """
        parsed = parse_config(config)
        sync_from = state_from_messages(parsed.keyspace, state)
        settings = sync_settings(parsed)
        for warning in parsed.warnings:
            yield log_line("WARN", warning)
        with ExitStack() as opened:
            reached = opened.enter_context(reachable(parsed))
            vitess = yield from self._retried(lambda: LiveVitess.connect(reached, self._clock), settings.retries)
            opened.enter_context(vitess)
            yield from self._describe(vitess, settings.retries)
            selection = yield from self._select(vitess, parsed, catalog, settings.retries)
            sync = Sync(vitess, self._clock, settings, selection.streams, sync_from, selection.refused)
            writer = LineWriter(parsed.keyspace)
            try:
                yield from writer.render(sync.run())
            except ConnectorError:
                yield from writer.render_summary()
                raise
            yield from writer.render_summary()
        if failed := sync.failed:
            raise ConfigError(
                f"{len(failed)} of {len(catalog.streams)} streams did not sync: {', '.join(map(repr, failed[:20]))}"
                f"{', …' if len(failed) > 20 else ''}. The error of each says what to do; the others are complete."
            )

    def _describe(self, vitess: LiveVitess, retries: int) -> Iterator[bytes]:
        """Yields the log of what is read, from where and by what, and of settings that should be others."""
        for line in vitess.describe():
            yield log_line("INFO", line)
        if obstacle := compiled.obstacle():
            yield log_line("INFO", f"Rows are decoded in Python: the compiled decoder, which is faster, {obstacle}.")
        binlogs = yield from self._retried(vitess.inspect_binlogs, retries)
        for warning in (*vitess.warnings(), *binlogs):
            yield log_line("WARN", warning)

    def _select(
        self, vitess: LiveVitess, config: Config, catalog: ConfiguredCatalog, retries: int
    ) -> Generator[bytes, None, Selection]:
        """Returns what of the configured catalog can be read, and yields the log of what should be known of it."""
        schema = yield from self._retried(vitess.schema, retries)
        names = [stream.name for stream in catalog.streams if stream.name in schema.tables]
        routed = yield from self._retried(lambda: vitess.routed(names), retries)
        filters = yield from self._retried(vitess.filters, retries)
        selection = select_streams(catalog, schema, _type_options(config), routed, filters)
        filtered = [stream.name for stream in selection.streams if stream.row_filter is not None]
        vitess.require_whole_rows(filtered)
        changed = [stream.streamed for stream in selection.streams if stream.incremental]
        values = [text for streamed in changed for text in vitess.value_warnings(streamed.table, streamed.selected)]
        if filtered:
            from source_vitess.row_filters.row_filter import whole_rows_warnings  # for few syncs

            values += whole_rows_warnings(filtered)
        for warning in (*selection.warnings, *values):
            yield log_line("WARN", warning)
        return selection

    def _retried(self, ask: Callable[[], Answer], retries: int) -> Generator[bytes, None, Answer]:
        """Returns an answer, as `ask_again` does, and yields its log when something happens."""
        asking = ask_again(ask, self._clock, retries)
        while True:
            try:
                log = next(asking)
            except StopIteration as answered:
                answer: Answer = answered.value
                return answer
            yield log_line("WARN", log.text)

    def stop(self) -> None:
        """Makes a running `read` end at the next safe point, with a state and a TransientError. Any thread may call."""
        self._clock.stop()


def parse_config(config: Mapping[str, Any]) -> Config:
    """Returns the configuration, whose secrets are masked from now on.

    Raises:
        ConfigError: A value is missing or wrong, or values contradict each other.
    """
    # What is refused is not to be quoted either.
    set_secrets(flagged_secrets(read_specification()["connectionSpecification"], config))
    parsed = Config.from_json(config)
    set_secrets(parsed.secrets)
    return parsed


def _type_options(config: Config) -> TypeOptions:
    return TypeOptions(config.tinyint1_as_boolean, config.bigint_unsigned_as)


def _start_position(config: Config) -> Vgtid | None:
    return parse_start_position(config.start_position, config.keyspace) if config.start_position else None


def sync_settings(config: Config) -> SyncSettings:
    """Returns how a sync behaves with this configuration."""
    return SyncSettings(
        checkpoint_seconds=config.checkpoint_interval_seconds,
        copy_seconds=config.initial_load_timeout_hours * 3600,
        no_progress_seconds=config.no_progress_timeout_seconds,
        streaming_seconds=config.keep_streaming_minutes * 60,
        changes_only=config.initial_copy is InitialCopy.NONE,
        start=_start_position(config),
        resync_lost_position=config.invalid_cdc_position_behavior is InvalidPositionBehavior.RESYNC,
        ignore_removed_rows=config.truncate_behavior is TruncateBehavior.IGNORE,
    )
