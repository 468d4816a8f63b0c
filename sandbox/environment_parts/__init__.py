"""Sections of the local environment file: a module for each area, each with one function `part`."""
