"""From a client's request to the attempts that answer it: candidates, attempts, records."""
