"""The way to VTGate: TLS, tunnels, and whether a port answers."""
