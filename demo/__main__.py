"""The story of `make demo`; exit code 0 only if everything came out as it should."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vitess_local.cluster import Cluster
from vitess_local.progress import silent

from demo import shop
from demo.connector import Connector, DemoError, Run, configured_catalog, write_json
from demo.report import gtid, step, table, title
from demo.story import OUTPUT, run_story
from instruments.oracle import Store, expect_equal
from instruments.select import select_rows

Json = dict[str, Any]

NAME = os.environ.get("SOURCE_VITESS_DEMO_CLUSTER", "demo")


def main() -> int:
    """Runs the demo.

    Returns:
        The exit code.
    """
    return run_story(_story)


def _story() -> None:
    size = shop.Size()

    title("source-vitess demo: a small shop in a real Vitess, copied and followed by the connector")
    Cluster.up(NAME, keyspaces={shop.KEYSPACE: shop.SHARDS})
    cluster = Cluster.find(NAME, report=silent)
    print(f"  {_versions(cluster)}, keyspace {shop.KEYSPACE}, shards {' and '.join(cluster.shards(shop.KEYSPACE))}\n")
    with step("seed") as at:
        shop.reset(cluster, size)
        at.result = f"{sum(shop.count_rows(cluster).values()):,} rows in {len(shop.TABLES)} tables, and a view"

    connector = Connector.with_config(OUTPUT, cluster.config(shop.KEYSPACE))
    with step("spec") as at:
        spec = connector.run("spec", "1-spec.jsonl").only("SPEC")
        at.result = f"{len(spec['connectionSpecification']['properties'])} settings"
    with step("check") as at:
        at.result = _check(connector)
    with step("discover") as at:
        catalog = _discover(connector, "3-discover.jsonl")
        at.result = f"{len(catalog['streams'])} streams"
    store = Store.of_catalog(catalog)
    with step("read") as at:
        copy = _read(connector, store, "4-read-copy.jsonl", catalog)
        at.result = f"{_speed(store, copy)}, copied"
    copied, before = Counter(store.records), _vgtid(store)

    title("Then the shop changes. What that has to become:")
    for change in shop.changes(size):
        shop.apply(cluster, change)
        print(f"  {change.title:<54} {change.expected}")

    title("The next sync begins at the saved state:")
    store.new_sync()
    for counted in (store.records, store.deletes, store.statuses):
        counted.clear()
    with step("discover") as at:
        catalog = _discover(connector, "5-discover.jsonl")
        at.result = "customers has one more column, phone"
    with step("read") as at:
        changes = _read(connector, store, "6-read-changes.jsonl", catalog, state=store.last_state)
        at.result = f"{_speed(store, changes)}, {sum(store.deletes.values())} of them deletes"
    with step("compare") as at:
        _compare(cluster, store, catalog)
        at.result = "all records, applied in order, are what SELECT through VTGate returns"

    title(f"Order {shop.OLD_KEY}, whose key became {shop.NEW_KEY}, as Airbyte sees it:")
    print(_key_change(changes))
    title("Stream by stream:")
    print(_streams(cluster, store, catalog, copied))
    title("The state, shard by shard (the whole VGTID is in the messages):")
    print(table(["shard", "position after the copy", "position after the changes"], _positions(before, _vgtid(store))))
    print(
        f"\nAll messages of all commands are in {OUTPUT}/, such as {copy.file.name} and {changes.file.name}."
        "\nVitess is still up. `make demo` takes seconds now; `make demo-down` stops it and deletes its data."
        f"\nTo go on by hand: .venv/bin/source-vitess check --config {OUTPUT}/config.json"
        f"\nand, for SQL:     .venv/bin/vitess-local sql --name {NAME} 'select count(*) from {shop.KEYSPACE}.orders'\n"
    )


def _versions(cluster: Cluster) -> str:
    described = cluster.describe()
    return f"Vitess {described['vitess_version'].removeprefix('v')}, MySQL {described['mysql_version']}"


def _check(connector: Connector) -> str:
    status = connector.run("check", "2-check.jsonl", config=connector.config).only("CONNECTION_STATUS")
    if status["status"] != "SUCCEEDED":
        raise DemoError(f"check reported {status['status']}: {status.get('message')}")
    return str(status["status"])


def _discover(connector: Connector, output: str) -> Json:
    catalog = connector.run("discover", output, config=connector.config).only("CATALOG")
    names = {stream["name"] for stream in catalog["streams"]}
    if names != set(shop.TABLES):
        raise DemoError(f"discover found the streams {sorted(names)} instead of {sorted(shop.TABLES)}.")
    return catalog


def _read(connector: Connector, store: Store, output: str, catalog: Json, *, state: list[Json] | None = None) -> Run:
    files = {"catalog": write_json(OUTPUT / output.replace(".jsonl", "-catalog.json"), configured_catalog(catalog))}
    if state:
        files["state"] = write_json(OUTPUT / output.replace(".jsonl", "-state.json"), state)
    run = connector.run("read", output, config=connector.config, **files)
    store.apply(run.lines())
    incomplete = {name: status for name, status in store.statuses.items() if status != "COMPLETE"}
    if incomplete or set(store.statuses) != set(shop.TABLES):
        raise DemoError(f"Not every stream is COMPLETE after {run.file}: {store.statuses}.")
    return run


def _speed(store: Store, run: Run) -> str:
    return f"{sum(store.records.values()):,} records in {run.reading_seconds():.1f} s after the start"


def _key_change(run: Run) -> str:
    heads = ("order_id", "customer_id", "status", "_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor")
    keys = (shop.OLD_KEY, shop.NEW_KEY)
    orders = [each["record"]["data"] for each in run.messages("RECORD") if each["record"]["stream"] == "orders"]
    return table(heads, [[_cell(data[head]) for head in heads] for data in orders if data["order_id"] in keys])


def _cell(value: object) -> str:
    return "null" if value is None else str(value)


def _compare(cluster: Cluster, store: Store, catalog: Json) -> None:
    for stream in catalog["streams"]:
        # A destination gives a column that is added later to the rows it has, without a value.
        for row in store.tables.get(stream["name"], {}).values():
            for column in stream["json_schema"]["properties"]:
                if not column.startswith("_ab_cdc_"):
                    row.setdefault(column, None)
        expect_equal(store, stream["name"], select_rows(cluster.mysql_port, shop.KEYSPACE, stream["name"]))


def _vgtid(store: Store) -> dict[str, str]:
    if not store.states:
        raise DemoError("The sync ended without a state.")
    shards = store.states[-1]["global"]["shared_state"]["vgtid"]
    return {shard["shard"]: shard["gtid"] for shard in shards}


def _streams(cluster: Cluster, store: Store, catalog: Json, copied: Mapping[str, int]) -> str:
    now = shop.count_rows(cluster)
    rows = []
    for stream in sorted(catalog["streams"], key=lambda each: list(shop.TABLES).index(each["name"])):
        name = stream["name"]
        key = ", ".join(path[0] for path in stream.get("source_defined_primary_key") or []) or "(none)"
        deletes = store.deletes[name]
        upserts = store.records[name] - deletes
        rows.append([name, key, copied.get(name, 0), upserts, deletes, now[name], "yes"])
    return table(["stream", "key", "rows copied", "then changed", "deleted", "rows now", "= SELECT"], rows)


def _positions(before: Mapping[str, str], after: Mapping[str, str]) -> list[list[str]]:
    return [[shard, gtid(before.get(shard, "")), gtid(position)] for shard, position in sorted(after.items())]


if __name__ == "__main__":
    sys.exit(main())
