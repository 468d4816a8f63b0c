"""What the platform's pipelines leave as evidence: tests, scans, a load run, staging's runs of the gate."""
