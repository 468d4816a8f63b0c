"""Kubernetes: what is deployed, where the traffic goes, which configuration is in force."""
