"""Fields of the configuration's JSON, read with their types: a wrong value is refused by name.

Paths such as `tls.client_key` name a field inside an object. Of a secret only its kind is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from source_vitess.errors import ConfigError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}
_LONGEST_SHOWN = 80


class JsonFields:
    """One JSON object of the configuration. A form sends null for a field that was left empty.

    Args:
        json: The object.
        path: What its fields' names begin with in messages, such as `tls.`.

    Raises:
        ConfigError: From the constructor and every method: a value is of another kind, or not allowed.
    """

    def __init__(self, json: Any, path: str = "") -> None:
        # A caller may pass whatever a file held.
        if not isinstance(json, Mapping):
            what = f"The field {path.rstrip('.')}" if path else "The configuration"
            raise ConfigError(f"{what} must be {'an' if path else 'a JSON'} object, found {kind(json)}.")
        self._given = {key: value for key, value in json.items() if value is not None}
        self._path = path

    def names(self) -> frozenset[str]:
        """Returns the names of the fields that are set."""
        return frozenset(map(str, self._given))

    def path_of(self, name: str) -> str:
        """Returns a field's name with the objects around it, as messages have it."""
        return f"{self._path}{name}"

    def section(self, name: str) -> JsonFields | None:
        """Returns an object's fields; None if it is not there."""
        value = self._given.get(name)
        return None if value is None else JsonFields(value, f"{self._path}{name}.")

    def sections(self, name: str, expected: str) -> tuple[JsonFields, ...]:
        """Returns the fields of each object of a list; nothing if it is not there."""
        values = self._given.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.wrong(name, f"a list of {expected}", values)
        return tuple(JsonFields(value, f"{self._path}{name}[{index}].") for index, value in enumerate(values))

    def text(self, name: str, *, required: bool = False, multiline: bool = False) -> str:
        """Returns a text, on one line unless more may come; empty if it is missing."""
        value = self._given.get(name, "")
        if not isinstance(value, str) or (not multiline and _CONTROL.search(value)):
            raise self.wrong(name, "text" if multiline else "text without line breaks", value)
        return self._require(name, value) if required else value

    def secret(self, name: str, *, required: bool = False, multiline: bool = False) -> str:
        """Returns a text that no message shows; empty if it is missing."""
        value = self._given.get(name, "")
        if not isinstance(value, str):
            raise ConfigError(f"The field {self._path}{name} must be text, found {kind(value)}.")
        if not multiline and _CONTROL.search(value):
            raise ConfigError(f"The field {self._path}{name} holds a line break or another control character.")
        return self._require(name, value) if required else value

    def choice(self, name: str, choices: Sequence[str], *, required: bool = False) -> str | None:
        """Returns one of the choices; None if it is missing."""
        value = self._given.get(name)
        if value is None and required:
            raise ConfigError(f"The field {self._path}{name} is missing; it must be one of {', '.join(choices)}.")
        if value is not None and (not isinstance(value, str) or value not in choices):
            raise self.wrong(name, f"one of {', '.join(choices)}", value)
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Returns true or false."""
        value = self._given.get(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return value

    def integer(self, name: str, lowest: int, highest: int, default: int) -> int:
        """Returns a whole number within bounds."""
        value = self._given.get(name, default)
        # A JSON number such as 60.0 is an integer for JSON Schema; True is one for Python only.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise self.wrong(name, f"a whole number from {lowest} to {highest}", value)
        return value

    def list_of_names(self, name: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
        """Returns a list of texts of this form, none of them twice."""
        values = self.texts(name, form, expected)
        for index, value in enumerate(values):
            if value in values[:index]:
                raise ConfigError(f"The field {self._path}{name} lists {value!r} twice.")
        return values

    def texts(self, name: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
        """Returns a list of texts of this form."""
        values = self._given.get(name, [])
        if not isinstance(values, list):
            raise self.wrong(name, f"a list of {expected}", values)
        for value in values:
            if not isinstance(value, str) or not form.fullmatch(value):
                raise self.wrong(name, f"a list of {expected}", value)
        return tuple(values)

    def wrong(self, name: str, expected: str, found: object) -> ConfigError:
        """Returns the error for a value that is no secret."""
        shown = repr(found)
        if len(shown) > _LONGEST_SHOWN:
            shown = shown[: _LONGEST_SHOWN - 3] + "..."
        return ConfigError(f"The field {self._path}{name} must be {expected}, found {shown}.")

    def _require(self, name: str, value: str) -> str:
        if not value:
            raise ConfigError(f"The field {self._path}{name} is missing.")
        return value


def kind(value: object) -> str:
    """Returns what a JSON value is, in words that show nothing of it."""
    return _KINDS.get(type(value), "null" if value is None else type(value).__name__)
