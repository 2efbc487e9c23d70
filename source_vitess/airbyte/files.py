"""The files that Airbyte passes: read, and named when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from source_vitess.airbyte.state import parse_state
from source_vitess.errors import ConfigError


def read_text(path: Path, what: str) -> str:
    """Returns a file's text.

    Args:
        path: The file.
        what: What it should hold, for the message.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The {what} file {str(path)!r} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The {what} file {str(path)!r} is not UTF-8 text.") from None


def read_json(path: Path, what: str) -> Any:
    """Returns a file's JSON.

    Args:
        path: The file.
        what: What it should hold, for the message.

    Raises:
        ConfigError: It cannot be read, or is not JSON. The message never quotes the file.
    """
    try:
        return json.loads(read_text(path, what))
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"The {what} file {str(path)!r} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise ConfigError(f"The {what} file {str(path)!r} is nested too deeply.") from None
    except ValueError:
        # Python reads no integer of more than 4,300 digits (sys.set_int_max_str_digits).
        raise ConfigError(f"The {what} file {str(path)!r} holds a number of thousands of digits.") from None


def read_config(path: Path) -> dict[str, Any]:
    """Returns the configuration.

    Raises:
        ConfigError: The file cannot be read, or holds no JSON object.
    """
    config = read_json(path, "configuration")
    if not isinstance(config, dict):
        raise ConfigError(f"The configuration file must hold a JSON object, found {type(config).__name__}.")
    return config


def read_state(path: Path) -> list[dict[str, Any]]:
    """Returns the state's messages, in whatever form the platform passes them.

    Raises:
        ConfigError: The file cannot be read, or holds no state.
    """
    return parse_state(read_text(path, "state"))
