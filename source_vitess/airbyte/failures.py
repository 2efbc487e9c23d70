"""Our errors as Airbyte's: who has to act decides the failure type, and the platform retries accordingly."""

from __future__ import annotations

import logging

from airbyte_cdk.models import AirbyteConnectionStatus, FailureType, Status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_vitess.airbyte.masking import masked
from source_vitess.errors import ConfigError, ConnectorError, TransientError


def failure_type(error: ConnectorError) -> FailureType:
    """Returns config_error (not retried), transient_error (retried) or system_error."""
    if isinstance(error, ConfigError):
        return FailureType.config_error
    if isinstance(error, TransientError):
        return FailureType.transient_error
    return FailureType.system_error


def traced(error: ConnectorError) -> AirbyteTracedException:
    """Returns the error as the CDK's entrypoint wants it."""
    return AirbyteTracedException(
        message=error.message,
        internal_message=error.detail or error.message,
        failure_type=failure_type(error),
        exception=error,
    )


def failed_check(error: ConnectorError, logger: logging.Logger) -> AirbyteConnectionStatus:
    """Returns what `check` answers with after an error, whose details go to the log."""
    if error.detail:
        logger.info(masked(error.detail))
    # Unlike a log line, this is written as it is, and an error may show what a server reported.
    return AirbyteConnectionStatus(status=Status.FAILED, message=masked(error.message))
