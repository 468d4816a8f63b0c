"""What people meet in a browser: journeys, accessibility, web vitals."""
