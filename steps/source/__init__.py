"""Where a release comes from: its repository, its forge, the tracker of its bugs."""
