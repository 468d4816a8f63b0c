"""Prometheus, Alertmanager, the exporters and Grafana."""
