"""The longest turn of the reactor for single large inputs: ``python -m benchmarks stalls``."""
