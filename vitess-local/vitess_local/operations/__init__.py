"""What is done to a cluster as a whole: bringing it up, failover, resharding, schema changes."""
