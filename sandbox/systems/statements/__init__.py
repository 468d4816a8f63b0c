"""Six people with keys, and what they sign of the release."""
