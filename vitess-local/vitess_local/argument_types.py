"""The types of the command line's arguments, which say why a value is refused."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Sequence
from typing import Any

from vitess_local.errors import VitessLocalError
from vitess_local.servers.keyspaces import parse_keyspace_shard

_SHARD_OPTIONS = ("--from", "--to", "--shards")


def join_shards(words: Sequence[str]) -> list[str]:
    """Turn `--from -80,80-` into `--from=-80,80-`: argparse takes `-80` for an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _SHARD_OPTIONS:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def with_reason(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the reason a value is refused, not only that it is."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, KeyError, VitessLocalError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


@with_reason
def keyspace_shard(text: str) -> str:
    """Take a shard as `keyspace/shard`."""
    return "/".join(parse_keyspace_shard(text))


def parse_setting(text: str) -> tuple[str, str]:
    """Parse a line of `my.cnf`, `NAME=VALUE`."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ValueError(f"{text!r} is not of the form NAME=VALUE")
    return name.strip(), value.strip()


def parse_signal(text: str) -> signal.Signals:
    """Parse a signal's name, with or without `SIG`."""
    try:
        return signal.Signals["SIG" + text.upper().removeprefix("SIG")]
    except KeyError:
        raise ValueError(f"there is no signal {text}") from None
