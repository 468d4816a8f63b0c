"""What the sentences of the features do: a folder for each area of the runbook, and a kit for all."""
