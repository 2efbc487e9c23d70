"""What real servers were recorded to send in the scenarios, in unit_tests/fixtures/vstream.

A release's file has those scenarios alone in which it sends something else than the next newer one. Responses are in
protobuf's JSON, and so without the fields that source_vitess.proto does not have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import json_format

from instruments.scripted_vtgate.client import Response
from instruments.scripted_vtgate.comparable import comparable
from source_vitess.vitess_release import VitessRelease

#: The releases that were recorded, from new to old. The model sends what the first one does.
RELEASES = ("24.0.4", "23.0.3", "22.0.4", "21.0.6", "20.0.8", "19.0.9")

_FOLDER = Path(__file__).parents[2] / "unit_tests" / "fixtures" / "vstream"

Recorded = Mapping[str, Sequence[Response]]


def load(release: str) -> Recorded:
    """Returns what a release sends, by scenario."""
    return {**inherited(release), **stored(release)}


def inherited(release: str) -> Recorded:
    """Returns what the next newer release sends, without what this one has in no event; nothing for the newest one."""
    place = RELEASES.index(release)
    recorded = load(RELEASES[place - 1]) if place else {}
    for responses in recorded.values():
        for response in responses:
            _leave_out_what_is_newer(VitessRelease(release).major, response)
    return recorded


def stored(release: str) -> Recorded:
    """Returns the scenarios of a release's file."""
    made = json.loads(_file(release).read_text(encoding="utf-8"))
    return {
        name: [json_format.ParseDict({"events": events}, Response()) for events in responses]
        for name, responses in made.items()
    }


def save(release: str, recorded: Recorded) -> None:
    """Writes a release's file. Those of the newer ones have to be there.

    What it has held and is sent again stays as it was, but for what differs from run to run.

    Args:
        release: One of `RELEASES`.
        recorded: What it has sent in each scenario.
    """
    newer = inherited(release)
    held = stored(release) if _file(release).exists() else {}
    made = {}
    for name, responses in recorded.items():
        sent = comparable(responses)
        if name in newer and sent == comparable(newer[name]):
            continue
        kept = held[name] if name in held and sent == comparable(held[name]) else responses
        made[name] = [json_format.MessageToDict(response)["events"] for response in kept]
    _file(release).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def _leave_out_what_is_newer(major: int, response: Response) -> None:
    """Takes out what no event has before a major version."""
    for event in response.events:
        if major < 23:
            event.ClearField("sequence_number")
            event.ClearField("event_gtid")
        if major < 20 and event.HasField("field_event"):
            event.field_event.ClearField("enum_set_string_values")


def _file(release: str) -> Path:
    return _FOLDER / f"{release}.json"
