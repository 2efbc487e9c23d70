"""What a configuration consists of: the file that `spec` writes as it is."""

from __future__ import annotations

import json
import pkgutil
from typing import Any


def read_specification() -> Any:
    """Returns the connector's specification, as JSON."""
    return json.loads(pkgutil.get_data("source_vitess", "spec.json") or b"")
