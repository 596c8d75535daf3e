"""What refusals of chat completions teach."""
