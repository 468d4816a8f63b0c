"""The deployment gate: decide (pure), run (orchestration), cli (commands)."""

VERSION = "0.1.0"
