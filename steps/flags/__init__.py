"""Feature flags and the platform's audit log."""
