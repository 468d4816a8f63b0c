"""The way back from a release: what is true of it now, and the plan that follows."""
