"""Service level objectives and what else is read from Prometheus."""
