"""What can be configured: for each area its section of an environment file and its policy."""
