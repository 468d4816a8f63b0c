"""The local platform: a small Unified Health made of real servers, for `--env local` and the tests."""
