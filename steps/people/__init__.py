"""The deployment window, the rota, channels and contacts."""
