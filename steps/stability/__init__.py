"""The first hour: figures within their limits, and rates and latencies as they were before the release."""
