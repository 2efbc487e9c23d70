"""Runs a real Vitess cluster on one Linux machine, for development and testing.

No containers: Vitess is built from its Go module, MySQL and etcd come from the
machine or from Debian packages unpacked into a private folder. See `README.md`
for the command line and `vitess_local.cluster.Cluster` for the Python interface.
"""

__version__ = "0.1.0"
