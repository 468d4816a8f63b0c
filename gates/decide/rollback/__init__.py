"""The way back from a release: which method fits, and its plan. Pure."""
