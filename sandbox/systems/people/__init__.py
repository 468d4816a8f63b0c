"""Windows, rota, contacts, and the records of a deployment."""
