"""What backends say when they fail: read, understood, and told to the client in its own words."""
