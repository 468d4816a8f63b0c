"""What other tools prove before a deployment: tests, scans, load runs, and staging's runs of this gate."""
