"""Commands for the user's side: settings for Claude Code, requests to a running bridge."""
