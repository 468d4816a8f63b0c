"""Where releases come from: their repository, the forge, the tracker, and what each release is."""
