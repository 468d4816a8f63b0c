"""The deployment gate: decide (pure), run (orchestration), cli (commands)."""
