"""The checks of one backend, in the order in which they are made."""
