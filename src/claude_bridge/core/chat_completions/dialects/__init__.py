"""The dialects: one small file for each server, which contains nothing but its differences."""
