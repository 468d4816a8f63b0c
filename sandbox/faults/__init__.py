"""Faults of the local platform: what can be broken, how, and which checks must notice."""
