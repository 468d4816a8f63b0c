"""Every fault of the local platform against the checks that must notice it."""
