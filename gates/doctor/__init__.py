"""The doctor and `gate init`: what the gate can reach, and what it would miss."""
