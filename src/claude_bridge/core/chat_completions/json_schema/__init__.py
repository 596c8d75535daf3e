"""JSON schemas of tools, as much of them as a server takes."""
