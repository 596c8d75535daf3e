"""Programs for work on the repository, run as ``python -m tools.NAME``; no part of what is installed."""
