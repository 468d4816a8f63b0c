"""The reference API of the local platform: FastAPI on real Postgres and real Redis."""
