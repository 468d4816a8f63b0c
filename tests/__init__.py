"""This repository's own tests, mirroring the tree."""
