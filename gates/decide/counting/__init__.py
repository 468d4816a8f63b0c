"""Counts events and judges them: samples to tallies, bounds on shares, objectives. Pure."""
