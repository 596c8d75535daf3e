"""From a client's request to the attempts that answer it: plan, attempts, records. The only conductor."""
