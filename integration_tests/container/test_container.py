"""The image, run as a cluster would: uid 1000, a root file system that is read-only, the connector as process 1.

`make container` builds it with buildah (tools/prepare_container.sh). It is run with the kernel's own namespaces instead
of an engine, on the host's network, so that a Vitess on the loopback interface can be reached.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from integration_tests.shop import Shop

IMAGE = "localhost/source-vitess:test"
DESTINATION = "localhost/destination-readyset:test"

#: Seconds for one command: Python's imports alone take many on a busy machine.
PATIENCE = 600

pytestmark = pytest.mark.timeout(3 * PATIENCE)

#: `$0` is the container's root, `$1` a folder with files for it; the rest is the command line.
START = """
set -e
root=$0; files=$1; shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
cp -r "$files" "$root/tmp/data"
chmod -R a+rX "$root/tmp/data"
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot --userspec=1000:1000 "$root" env -i "$@"
"""


def _buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True)  # noqa: S603, S607
    return done.stdout.strip()


def inspect(image: str) -> Json:
    """Returns an image's configuration."""
    return dict(json.loads(_buildah("inspect", "--type", "image", image)))


@contextmanager
def mounted(image: str) -> Iterator[Path]:
    """Shows an image's files."""
    container = _buildah("from", "--pull-never", image)
    yield Path(_buildah("mount", container))
    _buildah("rm", container)


def _owner(path: Path) -> tuple[int, int, int]:
    """Returns whose a file is, and what may be done with it."""
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


@pytest.fixture(scope="module")
def image() -> Json:
    """The image's configuration."""
    return inspect(IMAGE)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The image's files."""
    with mounted(IMAGE) as path:
        yield path


class Container:
    """Runs commands in the image."""

    def __init__(self, root: Path, image: Json, folder: Path) -> None:
        self._root = root
        self._config = image["OCIv1"]["config"]
        self._folder = folder

    def start(self, *argv: str, **files: Any) -> subprocess.Popen[bytes]:
        """Starts the image's entry point with arguments; files are there as /tmp/data/<name>.json."""
        argv = (*argv, *(word for name in files for word in (f"--{name}", f"/tmp/data/{name}.json")))  # noqa: S108
        return self.execute(*self._config["Entrypoint"], *argv, **files)

    def execute(self, *argv: str, stdin: int | None = None, **files: Any) -> subprocess.Popen[bytes]:
        """Starts a program in the image; files are there as /tmp/data/<name>.json."""
        for name, content in files.items():
            (self._folder / f"{name}.json").write_text(json.dumps(content))
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", START]
        return subprocess.Popen(  # noqa: S603
            [*command, str(self._root), str(self._folder), *self._config["Env"], *argv],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *argv: str, **files: Any) -> list[Json]:
        """Runs the entry point to its end, which must be a good one, and returns its messages."""
        process = self.start(*argv, **files)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err.decode()) == (0, "")
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def container(root: Path, image: Json, tmp_path: Path) -> Container:
    """Runs commands in the image."""
    return Container(root, image, tmp_path)


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, with rows."""
    made = Shop(cluster, shop.keyspace, seed=11)
    made.create()
    made.insert("customers", 2000)
    made.insert("order_items", 100)
    yield made
    made.drop_vschema()


def test_what_the_image_says(image: Json) -> None:
    """Whom it runs as, what it starts, and what it calls itself."""
    config = image["OCIv1"]["config"]

    assert config["User"] == "airbyte"
    assert config["Entrypoint"] == ["/opt/source-vitess/bin/source-vitess"]
    assert "AIRBYTE_ENTRYPOINT=/opt/source-vitess/bin/source-vitess" in config["Env"]
    assert config["WorkingDir"] == "/airbyte"
    assert config["Labels"]["io.airbyte.name"] == "airbyte/source-vitess"


def test_what_is_in_it(container: Container) -> None:
    """It runs as uid 1000 and process 1, writes to /tmp only, decodes by compiled code; no compiler, no pip, no GPL."""
    script = (
        "import importlib.util, os, pathlib, shutil, sys\n"
        "import source_vitess.rows._decoder\n"
        "print(os.getuid(), os.getpid())\n"
        "for place in ('/x', '/opt/x', '/airbyte/x', '/home/airbyte/x', '/tmp/x'):\n"
        "    try: pathlib.Path(place).touch(); print(place)\n"
        "    except OSError: pass\n"
        "print([name for name in ('pip', 'unidecode', 'pandas', 'numpy', 'nltk') if importlib.util.find_spec(name)])\n"
        "print([name for name in ('cc', 'gcc', 'make') if shutil.which(name)])\n"
    )
    out, err = container.execute("python3", "-c", script).communicate(timeout=PATIENCE)

    assert (out.decode().split("\n"), err.decode()) == (["1000 1", "/tmp/x", "[]", "[]", ""], "")  # noqa: S108


def test_the_folder_of_platforms_is_its_users_own(root: Path) -> None:
    """A platform puts files into /airbyte as the image's user, and starts the connector there."""
    assert _owner(root / "airbyte") == (1000, 1000, 0o755)


def test_every_command(container: Container, tables: Shop, shop: Connector) -> None:
    """spec, check, discover, a copy and a sync of changes from inside: exactly the database."""
    assert container.run("spec")[-1]["type"] == "SPEC"
    assert container.run("check", config=shop.config)[-1]["connectionStatus"] == {"status": "SUCCEEDED"}
    catalog = container.run("discover", config=shop.config)[-1]["catalog"]
    assert {stream["name"] for stream in catalog["streams"]} == set(Store.of_catalog(shop.discover()).keys)
    store = Store.of_catalog(catalog)
    for _ in range(2):
        store.new_sync()

        told = container.run("read", config=shop.config, catalog=shop.configured(), state=store.last_state)

        store.apply(json.dumps(message) for message in told)
        shop.expect_all_equal(store)
        tables.change(20)


def test_sigterm_as_process_1(container: Container, tables: Shop, shop: Connector) -> None:
    """A process 1 gets no signal that it does not handle; this one ends with a state, and all is complete."""
    config = {**shop.config, "keep_streaming_minutes": 60}
    store = Store.of_catalog(shop.discover())

    process = container.start("read", config=config, catalog=shop.configured())
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        store.apply([line])
        if "as they happen" in json.loads(line).get("log", {}).get("message", ""):
            [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)

    assert (process.wait(PATIENCE), process.stderr.read()) == (0, b"")
    process.stdout.close()
    process.stderr.close()
    assert set(store.statuses.values()) == {"COMPLETE"}
    shop.expect_all_equal(store)


#: What Airbyte's launcher does in a pod: a subshell starts the connector, and gets the signal when a sync is cancelled.
LAUNCHER = """
(eval "$AIRBYTE_ENTRYPOINT read --config /tmp/data/config.json --catalog /tmp/data/catalog.json") &
connector=$!
read -r cancelled
kill -TERM "$connector"
exit 0
"""


def test_a_cancelled_sync_in_a_pod(container: Container, tables: Shop, shop: Connector) -> None:
    """The signal ends the launcher's shell, not the connector, which is killed with the pod: its states are enough.

    The next sync goes on from the last one that was written, and ends at what the database has.
    """
    config = {**shop.config, "keep_streaming_minutes": 60}
    catalog = shop.configured()
    store = Store.of_catalog(shop.discover())

    process = container.execute("sh", "-c", LAUNCHER, stdin=subprocess.PIPE, config=config, catalog=catalog)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        # The launcher's own words are none, and the kill may have cut the last line.
        if line.endswith(b"\n"):
            store.apply([line])
        if b"as they happen" in line:
            tables.change(20)
            process.stdin.write(b"\n")
            process.stdin.flush()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()

    assert process.wait(PATIENCE) == 0
    assert "COMPLETE" not in store.statuses.values()
    store.new_sync()
    told = container.run("read", config=shop.config, catalog=catalog, state=store.last_state)
    store.apply(json.dumps(message) for message in told)
    assert set(store.statuses.values()) == {"COMPLETE"}
    shop.expect_all_equal(store)


def test_the_destinations_image(tmp_path: Path) -> None:
    """The other stage of the Dockerfile is destination-readyset, which starts."""
    image = inspect(DESTINATION)
    assert image["OCIv1"]["config"]["Entrypoint"] == ["/opt/source-vitess/bin/destination-readyset"]
    assert "AIRBYTE_ENTRYPOINT=/opt/source-vitess/bin/destination-readyset" in image["OCIv1"]["config"]["Env"]

    with mounted(DESTINATION) as root:
        assert _owner(root / "airbyte") == (1000, 1000, 0o755)
        [message] = Container(root, image, tmp_path).run("spec")

    assert "/readyset" in message["spec"]["documentationUrl"].lower()
