"""What talks to backends and keeps state over time. Twisted, but no Klein."""
