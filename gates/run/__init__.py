"""Orchestration: manifest, child process, lines, fold, evidence."""
