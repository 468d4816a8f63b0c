"""DNS records and certificates."""
