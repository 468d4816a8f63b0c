"""The decision, pure: from values to values, no clock, file, socket or log."""
