"""Tools' JSON schemas, as much of them as a server takes."""
