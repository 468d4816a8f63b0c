"""The platform as its users see it: API client and journeys."""
