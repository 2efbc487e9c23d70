"""A VTGate for tests: real gRPC and real MySQL protocol on loopback, with contents that a test decides.

Two levels. `script` plays exact events, pauses and errors, put together with the builders of `events`.
`model` is a small Vitess in memory that answers as VTGate v24 does (docs/vstream-observations.md).
"""
