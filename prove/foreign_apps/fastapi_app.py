"""A FastAPI application with prometheus-fastapi-instrumentator, as its README shows it."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from prometheus_fastapi_instrumentator import Instrumentator

from prove.foreign_apps import moods

app = FastAPI()
if moods.MOOD == "silent":

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        """Show metrics, and none of the application's."""
        return PlainTextResponse("build_info 1\n")

else:
    Instrumentator().instrument(app).expose(app)


@app.get("/v1/visits")
async def visits() -> dict[str, int]:
    """Answer as the mood is."""
    await asyncio.sleep(moods.pause_seconds())
    if moods.fails():
        raise HTTPException(503)
    return {"visits": 3}
