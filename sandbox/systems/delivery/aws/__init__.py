"""The platform's AWS: moto's services in one process, with the account's data and the edges before it."""
