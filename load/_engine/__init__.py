"""The engine that sends: schedule, connections, histograms. Nothing here knows Locust or a platform."""
