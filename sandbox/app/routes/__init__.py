"""The routes of the reference API, one module for each noun."""
