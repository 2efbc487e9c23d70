"""The story that `make demo` tells; exit code 0 only if everything came out as it should."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pymysql
from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError

from demo import shop
from demo.connector import Connector, DemoError, Run, configured_catalog, write_json
from demo.report import gtid, step, table, title
from integration_tests.oracle import OracleError, Store, expect_equal
from integration_tests.select import select_rows

Json = dict[str, Any]

NAME = "demo"
OUTPUT = Path("demo-output")


def main() -> int:
    """Runs the demo.

    Returns:
        The exit code.
    """
    try:
        _tell()
    except (DemoError, OracleError, VitessLocalError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except pymysql.MySQLError as error:
        print(f"\nThe demo failed: MySQL said {' '.join(map(str, error.args))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe demo was interrupted; run it again at any time.", file=sys.stderr)
        return 130
    return 0


def _tell() -> None:
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    size = shop.Size()

    title("source-vitess demo: a small shop in a real Vitess, copied and followed by the connector")
    cluster = Cluster.up(NAME, keyspaces={shop.KEYSPACE: shop.SHARDS})
    with step("vitess") as at:
        shop.reset(cluster, size)
        at.result = f"{_versions(cluster)}; keyspace {shop.KEYSPACE} filled anew, shards {_shards(cluster)}"
    connector = Connector.with_config(OUTPUT, cluster.config(shop.KEYSPACE))

    with step("spec") as at:
        spec = connector.run("spec", "1-spec.jsonl").only("SPEC")
        at.result = f"{len(spec['connectionSpecification']['properties'])} settings"
    with step("check") as at:
        run = connector.run("check", "2-check.jsonl", config=connector.config)
        at.result = _expect_success(run)
    with step("discover") as at:
        catalog = _discover(connector, "3-discover.jsonl")
        at.result = f"{len(catalog['streams'])} streams; the view order_sizes is none"

    store = Store.of_catalog(catalog)
    with step("read") as at:
        copy = _read(connector, store, "4-read-copy.jsonl", catalog)
        at.result = f"{sum(store.records.values()):,} rows copied"
    copied, before = Counter(store.records), _vgtid(store)

    title("Then the shop changes:")
    for change in shop.changes(size):
        shop.apply(cluster, change)
        print(f"    {change.title:<52} {change.expected}")

    title("And the next sync begins where the last one ended:")
    with step("discover") as at:
        catalog = _discover(connector, "5-discover.jsonl")
        at.result = "customers has a new column, phone"
    _begin_sync(store, catalog)
    with step("read") as at:
        changes = _read(connector, store, "6-read-changes.jsonl", catalog, state=store.last_state)
        at.result = f"{sum(store.records.values()):,} records, {sum(store.deletes.values())} of them deletes"
    with step("compare") as at:
        _compare(cluster, store, catalog)
        at.result = "what was emitted, applied in order, is what SELECT through VTGate returns"

    print()
    print(_streams(cluster, store, catalog, copied))
    print(table(["shard", "VGTID after the copy", "VGTID after the changes"], _positions(before, _vgtid(store))))
    print(
        f"\n  Copy: {sum(copied.values()):,} rows in {copy.seconds:.1f} s. Changes: {changes.seconds:.1f} s. "
        "Both include the start of the program."
        f"\n  All Airbyte messages are in {OUTPUT}/: {copy.file.name}, {changes.file.name} and the others."
        f"\n  The cluster is still up: `vitess-local status --name {NAME}` in .venv/bin tells where,"
        "\n  `make demo` runs again in seconds, `make demo-down` stops it and deletes its data.\n"
    )


def _versions(cluster: Cluster) -> str:
    described = cluster.describe()
    return f"Vitess {described['vitess_version'].removeprefix('v')}, MySQL {described['mysql_version']}"


def _shards(cluster: Cluster) -> str:
    return " and ".join(cluster.shards(shop.KEYSPACE))


def _expect_success(run: Run) -> str:
    status = run.only("CONNECTION_STATUS")
    if status["status"] != "SUCCEEDED":
        raise DemoError(f"check says {status['status']}: {status.get('message')}")
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


def _begin_sync(store: Store, catalog: Json) -> None:
    """Does what a destination does before the second sync: what is refreshed in full is emptied."""
    store.new_sync()
    store.records.clear()
    store.deletes.clear()
    store.statuses.clear()
    for stream in catalog["streams"]:
        if "incremental" not in stream["supported_sync_modes"]:
            store.bags.pop(stream["name"], None)
            store.tables.pop(stream["name"], None)


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
    now = shop.count_rows(cluster, shop.TABLES)
    rows = []
    for stream in sorted(catalog["streams"], key=lambda each: list(shop.TABLES).index(each["name"])):
        name = stream["name"]
        incremental = "incremental" in stream["supported_sync_modes"]
        key = ", ".join(path[0] for path in stream.get("source_defined_primary_key") or []) or "(none)"
        deletes = store.deletes[name]
        upserts = store.records[name] - deletes
        how = "changes" if incremental else "all rows"
        rows.append([name, key, copied.get(name, 0), how, upserts, deletes, now[name], "yes"])
    return table(["stream", "key", "copied", "second sync", "records", "deletes", "rows now", "= SELECT"], rows)


def _positions(before: Mapping[str, str], after: Mapping[str, str]) -> list[list[str]]:
    return [[shard, gtid(before.get(shard, "")), gtid(position)] for shard, position in sorted(after.items())]


if __name__ == "__main__":
    sys.exit(main())
