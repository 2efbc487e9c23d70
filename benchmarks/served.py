"""How fast destination-readyset writes: rows of a copy, and the lag of a change. The second half of `make bench`.

    python -m benchmarks.served [ROWS]

A copy's lines, made beforehand, go into the destination on a plain MySQL of this machine: rows per second, the CPU time
of both programs, and the memory of the destination. `make demo-readyset` measures the lag from Vitess.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vitess_local.plain_mysql import PlainMysql

_STATE = {"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}}}
_STATE_EVERY = 100_000
_SCHEMA = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "stock": {"type": "integer"},
    "weight": {"type": "number"},
    "changed": {"type": "string", "format": "date-time"},
}
# What such a server has at least; the small servers of tests would measure their tiny redo log.
_SERVER = {"innodb_buffer_pool_size": "256M", "innodb_redo_log_capacity": "512M"}


def main(rows: int) -> int:
    """Measures once and prints it."""
    with tempfile.TemporaryDirectory(prefix="bench") as name, PlainMysql.start(settings=_SERVER) as mysql:
        folder = Path(name)
        _write_input(folder, rows, mysql.port)
        server = _cpu_seconds(mysql)
        started = time.monotonic()
        with (folder / "in.jsonl").open("rb") as lines:
            argv = [sys.executable, "-m", "destination_readyset", "write"]
            options = ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
            process = subprocess.Popen([*argv, *options], stdin=lines, stdout=subprocess.DEVNULL)
            # Not the usage of all children, of which MySQL is one.
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        ((written,),) = mysql.sql("SELECT COUNT(*) FROM bench.products")
        own = used.ru_utime + used.ru_stime
        print(
            f"served: {written:,} rows of 5 columns in {wall:.1f} s with the start of the program ({rows / wall:,.0f} "
            f"rows/s); CPU {own:.1f} s of the destination and {_cpu_seconds(mysql) - server:.1f} s of MySQL; at most "
            f"{used.ru_maxrss / 1024:.0f} MB; load {os.getloadavg()[0]:.1f}"
        )
    return 0 if written == rows and process.returncode == 0 else 1


def _write_input(folder: Path, rows: int, port: int) -> None:
    (folder / "config.json").write_text(json.dumps({"host": "127.0.0.1", "port": port, "username": "local"}))
    stream = {
        "name": "products",
        "namespace": "bench",
        "json_schema": {"properties": _SCHEMA},
        "supported_sync_modes": ["incremental"],
    }
    configured = {
        "stream": stream,
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
        "primary_key": [["id"]],
    }
    (folder / "catalog.json").write_text(json.dumps({"streams": [configured]}))
    with (folder / "in.jsonl").open("w") as file:
        for key in range(1, rows + 1):
            data = {
                "id": key,
                "name": f"product {key} of a shop",
                "stock": key * 7,
                "weight": key / 8,
                "changed": "2026-01-02T03:04:05Z",
            }
            record = {"stream": "products", "namespace": "bench", "data": data, "emitted_at": 1}
            file.write(json.dumps({"type": "RECORD", "record": record}) + "\n")
            if key % _STATE_EVERY == 0 or key == rows:
                file.write(json.dumps(_STATE) + "\n")


def _cpu_seconds(mysql: PlainMysql) -> float:
    """Returns the CPU time that the server took so far (proc(5), fields 14 and 15 of stat)."""
    pid = int((mysql.data_dir / "mysqld.pid").read_text())
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000))
