"""Feature flags and the log of their changes."""
