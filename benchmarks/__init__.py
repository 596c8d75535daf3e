"""What the daemon costs: ``python -m benchmarks`` measures it and compares with our own goals."""
