"""Reads the config.json of Claude Code Router."""
