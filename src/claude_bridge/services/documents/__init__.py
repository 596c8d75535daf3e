"""The text of PDFs, for backends that take no files: read in child processes with limited time and memory."""
