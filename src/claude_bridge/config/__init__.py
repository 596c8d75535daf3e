"""Configuration: INI text and environment in, frozen values out. No side effects."""
