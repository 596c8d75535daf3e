"""``claude-bridge demo``: a real small model behind the bridge, from nothing, in a minute."""
