"""What people sign of a release, and whether it counts."""
