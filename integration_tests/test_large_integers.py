"""Integers above 2^63-1 on a real Vitess: as integers with a warning, as numbers, as text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store

#: The largest that fits everywhere, and the largest of all; the key decides which comes as a change.
_FITS, _LARGEST = 2**63 - 1, 2**64 - 1


@pytest.mark.parametrize("compiled", ["0", "1"])
@pytest.mark.parametrize("form", ["integer", "number", "string"])
def test_values_and_warnings_of_both_phases(
    cluster: Cluster, single: Connector, monkeypatch: pytest.MonkeyPatch, form: str, compiled: str
) -> None:
    """Copies and changes give the chosen form, whole, and the key too; only integers that do not fit are warned of."""
    monkeypatch.setenv("SOURCE_VITESS_COMPILED", compiled)
    cluster.sql("single", "create table hashed (id bigint unsigned primary key, n bigint unsigned zerofill)")
    cluster.sql("single", f"insert into hashed (id, n) values (7, {_FITS}), ({_FITS}, 8)")
    chosen = single.with_config(bigint_unsigned_as=form)
    catalog = chosen.configured()
    properties = catalog["streams"][0]["stream"]["json_schema"]["properties"]
    assert [properties[name]["type"] for name in ("id", "n")] == [["null", form]] * 2

    values, warnings, state = _read(chosen, catalog, [])
    assert values == {(_in(form, 7), _in(form, _FITS)), (_in(form, _FITS), _in(form, 8))}
    assert warnings == []

    cluster.sql("single", f"insert into hashed (id, n) values (9, {_LARGEST}), ({_LARGEST}, null)")
    cluster.sql("single", f"update hashed set n = {_LARGEST - 1} where id = {_LARGEST}")
    values, warnings, _ = _read(chosen, catalog, [state])
    assert values == {
        (_in(form, 9), _in(form, _LARGEST)),
        (_in(form, _LARGEST), None),
        (_in(form, _LARGEST), _in(form, _LARGEST - 1)),
    }
    expected = [] if form != "integer" else ["Column 'id' of stream 'hashed'", "Column 'n' of stream 'hashed'"]
    assert sorted(warnings) == expected

    values, warnings, _ = _read(chosen, catalog, [])
    assert (_in(form, _LARGEST), _in(form, _LARGEST - 1)) in values
    assert sorted(warnings) == expected


def test_another_choice_is_another_type(cluster: Cluster, single: Connector) -> None:
    """A catalog of before the option was changed is refused for that stream, with what to do."""
    cluster.sql("single", "create table hashed (id bigint unsigned primary key)")
    catalog = single.configured()
    store = Store.of_catalog(single.discover())
    assert single.sync(store, catalog) is None

    error = single.with_config(bigint_unsigned_as="string").sync(store, catalog)

    assert error is not None
    assert "1 of 1 streams did not sync" in error.message


def _in(form: str, number: int) -> int | str:
    return str(number) if form == "string" else number


def _read(
    connector: Connector, catalog: dict[str, Any], state: list[Any]
) -> tuple[set[tuple[Any, Any]], list[str], Any]:
    """Returns keys and values, the columns that were warned of, and the last state."""
    values, warnings, last = set(), [], None
    for line in map(json.loads, connector.lines(catalog, state)):
        if line["type"] == "RECORD":
            values.add((line["record"]["data"]["id"], line["record"]["data"]["n"]))
        elif line["type"] == "LOG" and " holds values that" in line["log"]["message"]:
            warnings.append(line["log"]["message"].partition(" holds")[0])
        elif line["type"] == "STATE":
            last = line["state"]
    return values, warnings, last
