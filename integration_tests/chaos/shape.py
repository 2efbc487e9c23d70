"""What a run's cluster is like: how many tablets of which types a shard has, and what its tables rule out."""

from __future__ import annotations

import random
from dataclasses import dataclass

from integration_tests.chaos.keys import Tables


@dataclass(frozen=True)
class Shape:
    """A cluster.

    Attributes:
        replicas: Replicas of each shard.
        rdonly: Tablets of type RDONLY of each shard.
        myisam: Whether a table is of an engine without transactions. Its replication does not survive that MySQL is
            killed, and Vitess cannot reshard it, which would write its rows in transactions.
    """

    replicas: int
    rdonly: int
    myisam: bool

    @classmethod
    def of(cls, seed: int) -> Shape:
        """Chooses."""
        rnd = random.Random(seed)  # noqa: S311 - test data
        return cls(rnd.choice([1, 2, 2, 2]), rnd.choice([0, 0, 1]), rnd.random() < 0.3)

    def tables(self, seed: int) -> Tables:
        """Makes the tables."""
        return Tables(seed, reshards=self.reshards)

    @property
    def reshards(self) -> bool:
        """Whether its shards can be split and merged."""
        return not self.myisam

    @property
    def tablet_types(self) -> tuple[str, ...]:
        """What syncs read from; an empty one leaves the choice to the connector."""
        return ("", "REPLICA", "PRIMARY", *["RDONLY"] * self.rdonly)

    def __str__(self) -> str:
        """Says what it is."""
        rdonly = f", {self.rdonly} RDONLY" if self.rdonly else ""
        return f"1 + {self.replicas}{rdonly}{', a MyISAM table' if self.myisam else ''}"
