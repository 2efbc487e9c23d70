"""What tests, demo, benchmarks and tools share to run the connector and to judge what it emits."""
