"""What is done for Claude Code on the user's side."""
