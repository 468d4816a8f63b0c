"""Registry, web application, secrets: AWS, the builds and their evidence."""
