"""Generated from protos/ by `make proto`: the trimmed, wire-compatible definitions of VTGate's VStream."""
