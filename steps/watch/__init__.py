"""The watch after the traffic switch: the runbook's rollback criteria, over time."""
