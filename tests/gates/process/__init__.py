"""The gate as a process: its exit codes, its evidence, and what is left when it is ended."""
