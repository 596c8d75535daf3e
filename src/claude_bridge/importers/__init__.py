"""Makes a configuration of this bridge from the file of another tool (docs/coming-from.md)."""
