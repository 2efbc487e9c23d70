"""What runs: the servers of a cluster, how they are laid out, started and found, and how to talk to them."""
