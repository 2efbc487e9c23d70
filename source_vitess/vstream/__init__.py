"""VTGate's VStream: the gRPC call, its events, and the decoding of rows."""
