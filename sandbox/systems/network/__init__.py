"""DNS and certificates."""
