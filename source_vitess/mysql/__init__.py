"""VTGate's MySQL port: the schema snapshot, the topology, and checks of positions. Never rows of user tables."""
