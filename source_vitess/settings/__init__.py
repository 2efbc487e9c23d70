"""What the user configures, and how it is read."""
