"""Web search that the bridge does itself: the tool, the turns, what clients get of the results."""
