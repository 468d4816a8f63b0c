"""Sections of an environment file: a module for each area; `environments.settings` joins them."""
