"""Long proofs: the promises that need more cases than a test run has time for."""
