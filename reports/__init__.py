"""Pure renderers of a verdict, and thin writers."""
