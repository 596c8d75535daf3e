"""One small file a server that differs: nothing but its differences."""
