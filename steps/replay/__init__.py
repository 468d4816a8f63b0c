"""The same policy over other data: as Prometheus' alerts, over given series, over past releases."""
