"""Reading of chat completions: a backend's bytes -> neutral events."""
