"""The logs of the hour and the day after a release: counted, never quoted."""
