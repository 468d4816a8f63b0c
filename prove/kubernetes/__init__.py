"""The Kubernetes stand-in and our checks, held against recorded answers of a real API server."""
