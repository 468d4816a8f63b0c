"""Health endpoints, external services and their vendors, FHIR, the user journey."""
