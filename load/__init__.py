"""The load test: Locust is its control plane, one engine per worker sends."""
