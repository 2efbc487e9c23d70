"""Tests of vitess-spark."""

import os

# Tests start servers while streams are open; gRPC's own handlers of fork() make some of these processes crash.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
