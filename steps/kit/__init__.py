"""What every area shares: one check, one run, every region at once, settling, confirmation, the baseline."""
