"""The countdown as a whole: what is computed of its other items, and notices that were posted."""
