"""What is learned of models and backends, and kept across restarts."""
