"""pytest plugins that turn .feature files into checks."""
