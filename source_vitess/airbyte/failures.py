"""Errors in Airbyte's words: who has to act decides the failure type, and the platform retries accordingly."""

from __future__ import annotations

import traceback

from source_vitess.errors import ConfigError, ConnectorError, InternalError, TransientError


def failure_type(error: ConnectorError) -> str:
    """Returns config_error (not retried), transient_error (retried) or system_error."""
    if isinstance(error, ConfigError):
        return "config_error"
    if isinstance(error, TransientError):
        return "transient_error"
    return "system_error"


def as_connector_error(error: Exception) -> ConnectorError:
    """Returns any error as one of ours."""
    if isinstance(error, ConnectorError):
        return error
    return InternalError(
        f"The connector met an error that it does not know ({type(error).__name__}). Please report it with the log.",
        # Frames only: the text of a foreign exception may hold values of rows.
        detail="".join(traceback.format_tb(error.__traceback__)),
    )
