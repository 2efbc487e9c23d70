"""What releases of Vitess do differently, as far as a reader has to know: the one place that does.

docs/versions.md has how each was seen. A server that does not report its version is taken for a new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: The oldest major version that is supported: docs/versions.md has what was run on it.
OLDEST = 19

_NUMBERS = re.compile(r"(\d+)(?:\.(\d+)\.(\d+))?")

Numbers = tuple[int, int, int]


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
        return self._numbers[0]

    @property
    def _numbers(self) -> Numbers:
        match = _NUMBERS.match(self.version)
        return (int(match[1]), int(match[2] or 0), int(match[3] or 0)) if match else (0, 0, 0)

    def _is_before(self, major: int) -> bool:
        return 0 < self.major < major

    def _lacks(self, *mended: Numbers) -> bool:
        """Returns whether a mend is not in it that came in these releases, one of each major version that got it."""
        first = next((numbers for numbers in mended if numbers[0] >= self.major), mended[-1])
        return self.major > 0 and self._numbers < first

    @property
    def is_supported(self) -> bool:
        """Whether it is the oldest supported one or newer; so is one that does not report its version."""
        return not self._is_before(OLDEST)

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
    def puts_length_in_binary_json(self) -> bool:
        """Whether VTTablet sends the length of a binary value in JSON as if it were the first of its bytes.

        So do changes of releases before the mend of go/mysql/binlog/binlog_json.go, binparserOpaque
        (vitessio/vitess#19102).
        """
        return self._lacks((22, 0, 3), (23, 0, 1))

    @property
    def sends_all_of_64_members(self) -> bool:
        """Whether changes have the 64th member of a SET (vstreamer.go, buildSetStringValue; vitessio/vitess#20450).

        Up to v19 they have numbers, with all 64 bits.
        """
        return self._is_before(20) or not self._lacks((23, 0, 6), (24, 0, 3))

    @property
    def follows_reshards(self) -> bool:
        """Whether VTGate streams from tablets of a shard that has stopped serving, to where a reshard has led.

        Up to v19 it picks serving tablets only, and ends with "context has expired" after 90 s of finding none
        (go/vt/vtgate/vstream_manager.go, where v20 sets the option IncludeNonServingTablets).
        """
        return not self._is_before(20)

    @property
    def filters_rows(self) -> bool:
        """Whether VTTablet knows IN and IS NULL in a filter, and passes its condition on to MySQL in a copy.

        Up to v21 it knows comparisons and IS NOT NULL alone, and reads all rows in a copy (go/vt/vttablet/tabletserver/
        vstreamer/planbuilder.go, analyzeWhere and whereExprsToPushDown).
        """
        return not self._is_before(22)

    @property
    def numbers_transactions(self) -> bool:
        """Whether events tell the transaction's number in its binary log file, and its GTID.

        From v23 on (go/vt/vttablet/tabletserver/vstreamer/vstreamer.go, parseEvent).
        """
        return not self._is_before(23)

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
        if not self.is_supported:
            yield (
                f"Vitess {self.version} is older than {OLDEST}, the oldest release that this connector was tried with, "
                "and is read because allow_unsupported_vitess is set: rows may be wrong or missing without a sign."
            )
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
        if not self.numbers_transactions:
            yield (
                f"Vitess {self.version} can leave out changes when MySQL of a tablet is restarted, without a sign. A "
                "sync that meets that warns of it; from Vitess 23 on it reads them."
            )
