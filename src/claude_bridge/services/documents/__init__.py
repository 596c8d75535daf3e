"""Text out of PDFs, for backends that take no files: read in child processes that may not take long or much."""
