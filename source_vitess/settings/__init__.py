"""What the user says: the configuration, and what it is read with."""
