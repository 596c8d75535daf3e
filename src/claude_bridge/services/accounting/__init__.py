"""What is recorded of each request and each attempt."""
