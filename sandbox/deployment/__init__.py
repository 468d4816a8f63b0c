"""The platform's own deployment: the runbook's seven phases, carried out for real."""
