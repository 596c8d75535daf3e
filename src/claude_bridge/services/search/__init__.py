"""Web search: what a search engine is asked, through what, and what its answer says."""
