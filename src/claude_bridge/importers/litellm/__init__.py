"""Reads the config.yaml of LiteLLM's proxy."""
