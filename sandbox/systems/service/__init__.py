"""The API and what it asks: external services, the FHIR server, the traffic."""
