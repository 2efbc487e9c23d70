"""What releases of Vitess do differently, as far as a reader has to know: the one place that does.

docs/versions.md has how each was seen. A server that does not report its version is taken for a new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MAJOR = re.compile(r"\d+")


@dataclass(frozen=True)
class VitessRelease:
    """A release.

    Attributes:
        version: Vitess' own, such as `24.0.0`; empty if the server does not report it.
    """

    version: str

    @property
    def major(self) -> int:
        """The first number of the version, 0 if it is not known."""
        match = _MAJOR.match(self.version)
        return int(match[0]) if match else 0

    def _is_before(self, major: int) -> bool:
        return 0 < self.major < major

    @property
    def announces_collations(self) -> bool:
        """Whether a FIELD event announces the collation of a column of text.

        Up to v19 it announces that of VTTablet's own connection, 255, for each (go/vt/vttablet/tabletserver/vstreamer/
        vstreamer.go, buildTableColumns).
        """
        return not self._is_before(20)

    @property
    def knows_partial_updates(self) -> bool:
        """Whether VTTablet reads the events that MySQL writes with `binlog_row_value_options=PARTIAL_JSON`.

        Up to v21 it skips them without a word: the updates are lost (go/mysql/binlog_event_common.go of v22 is the
        first that knows PARTIAL_UPDATE_ROWS_EVENT).
        """
        return not self._is_before(22)

    @property
    def follows_reshards(self) -> bool:
        """Whether VTGate streams from tablets of a shard that has stopped serving, to where a reshard has led.

        Up to v19 it picks serving tablets only, and ends with "context has expired" after 90 s of finding none
        (go/vt/vtgate/vstream_manager.go, where v20 sets the option IncludeNonServingTablets).
        """
        return not self._is_before(20)

    @property
    def answers_for_mysql(self) -> bool:
        """Whether VTGate answers `@@global.version` by itself, with what it calls itself to MySQL's clients."""
        return self._is_before(20)

    @property
    def names_tablets(self) -> bool:
        """Whether a target can name a tablet by its alias. False if the version is not known."""
        return self.major >= 24

    def notes(self) -> Iterator[str]:
        """Yields a sentence for each thing that is not as with a new release, for `check` and the log."""
        if not self.announces_collations:
            yield (
                f"Vitess {self.version} does not announce the character sets of columns, so that the schema's count, "
                "as they are when a sync begins. Refresh a stream whose text is converted to another character set."
            )
        if not self.follows_reshards:
            yield (
                f"Vitess {self.version} cannot go on from before a reshard: when its traffic has been switched, every "
                "stream has to be copied again."
            )
        if not self.knows_partial_updates:
            yield (
                f"Vitess {self.version} leaves out changes that a session makes with "
                "binlog_row_value_options=PARTIAL_JSON, without a sign. No session may set it."
            )
