"""Contract tests: whether the API is what its document says."""
