"""Fakes for trying and testing the bridge without any model; the names in each module's ``__all__`` are promised."""
