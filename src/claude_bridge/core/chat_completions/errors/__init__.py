"""What backends say when they fail: read, classified, and told to the client in its own words."""
