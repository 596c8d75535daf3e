"""Web search that the bridge does itself: the tool, the search engines, the turns of one answer."""
