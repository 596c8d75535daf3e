"""The process: assembly, listeners, signals, logs."""
