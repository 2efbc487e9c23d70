"""A Spark cluster on the loopback interface: a master and two workers, on fixed ports below the ephemeral ones.

Only where Spark and its own Python processes talk within the machine, the port is any.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo.connector import DemoError

PYTHON = Path(".venv-spark/bin/python").absolute()
HOST = "127.0.0.1"
_MASTER, _MASTER_PAGE = 27077, 27078
#: Each worker's own, and that of its page.
_WORKERS = ((27081, 27082), (27083, 27084))
_DRIVER, _DRIVER_PAGE, _BLOCKS = 27085, 27086, 27090
#: One for each executor and the driver.
_MOST_BLOCKS = 8
_SECONDS = 300.0
#: What runs for a minute is not worth being compiled well.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

#: For a driver on the cluster.
SETTINGS: Mapping[str, str] = {
    "spark.master": f"spark://{HOST}:{_MASTER}",
    "spark.executor.cores": "1",
    "spark.executor.memory": "768m",
    "spark.driver.host": HOST,
    "spark.driver.bindAddress": HOST,
    "spark.driver.port": str(_DRIVER),
    "spark.ui.port": str(_DRIVER_PAGE),
    "spark.blockManager.port": str(_BLOCKS),
    "spark.ui.showConsoleProgress": "false",
    "spark.port.maxRetries": str(_MOST_BLOCKS),
    "spark.executor.extraJavaOptions": _JAVA,
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
}


@contextmanager
def spark_cluster(folder: Path) -> Iterator[None]:
    """Runs the master and the workers while the context lasts, their logs in a folder.

    Raises:
        DemoError: A port is taken, or they do not start.
    """
    own = [_MASTER, _MASTER_PAGE, *(port for pair in _WORKERS for port in pair), _DRIVER, _DRIVER_PAGE]
    for port in (*own, *range(_BLOCKS, _BLOCKS + _MOST_BLOCKS)):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((HOST, port))
            except OSError:
                raise DemoError(f"Port {port} of {HOST} is taken, which Spark is to have.") from None
    home = next(PYTHON.parent.parent.glob("lib/python3*/site-packages/pyspark"))
    start = [str(home / "bin" / "spark-class"), "org.apache.spark.deploy"]
    with ExitStack() as running:
        master = ["--host", HOST, "--port", str(_MASTER), "--webui-port", str(_MASTER_PAGE)]
        running.enter_context(process([start[0], f"{start[1]}.master.Master", *master], folder / "master.log"))
        for number, (port, page) in enumerate(_WORKERS):
            own_folder = ["--work-dir", str(folder.absolute() / f"worker-{number}"), "--cores", "1", "--memory", "1g"]
            worker = ["--host", HOST, "--port", str(port), "--webui-port", str(page), *own_folder]
            command = [start[0], f"{start[1]}.worker.Worker", *worker, SETTINGS["spark.master"]]
            running.enter_context(process(command, folder / f"worker-{number}.log"))
        end = time.monotonic() + _SECONDS
        while _workers() < len(_WORKERS):
            if time.monotonic() > end:
                raise DemoError(f"Spark's workers do not start; see {folder}/worker-0.log.")
            time.sleep(0.2)
        yield


def _workers() -> int:
    with (
        contextlib.suppress(OSError, ValueError),
        urllib.request.urlopen(f"http://{HOST}:{_MASTER_PAGE}/json/") as page,
    ):
        return int(json.load(page)["aliveworkers"])
    return 0


@contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program of Spark's, with what it starts in a process group that ends with it."""
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": HOST,
        "PYSPARK_PYTHON": str(PYTHON),
        "PYSPARK_DRIVER_PYTHON": str(PYTHON),
        "SPARK_DAEMON_MEMORY": "256m",
        # The master's second way in is not used.
        "SPARK_DAEMON_JAVA_OPTS": f"{_JAVA} -Dspark.master.rest.enabled=false",
        "PYSPARK_SUBMIT_ARGS": f'--driver-memory 768m --driver-java-options "{_JAVA}" pyspark-shell',
    }
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield started
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(started.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    started.wait(20)
