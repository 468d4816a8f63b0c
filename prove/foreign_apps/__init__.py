"""Applications as others write them, with their usual exporters; started by `prove.foreign`."""
