"""A Django and a FastAPI application with their usual exporters; MOOD in the environment is how they behave.

Their packages are installed for `./harness prove foreign` alone, each imported by its own application.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

MOOD = os.environ.get("MOOD", "healthy")
SILENT = MOOD == "silent"
NO_METRICS = "build_info 1\n"
"""Metrics, and none of the application's."""
ERRORS, SLOW, SLOW_SECONDS = 0.03, 0.10, 0.6
_PROMETHEUS = "django_prometheus.middleware.Prometheus"


def fails() -> bool:
    """Return whether this answer is an error."""
    return MOOD == "errors" and random.random() < ERRORS  # noqa: S311 - a mood, no secret


def pause_seconds() -> float:
    """Return how long this answer takes."""
    return SLOW_SECONDS if MOOD == "slow" and random.random() < SLOW else 0.0  # noqa: S311 - as above


def django() -> Any:
    """Return a Django application with django-prometheus."""
    from django.conf import settings  # noqa: PLC0415 - see above
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - see above
    from django.http import HttpResponse, JsonResponse  # noqa: PLC0415 - see above
    from django.urls import include, path  # noqa: PLC0415 - see above

    def visits(_: object) -> HttpResponse:
        time.sleep(pause_seconds())
        return JsonResponse({"visits": 3}, status=503 if fails() else 200)

    def metrics(_: object) -> HttpResponse:
        return HttpResponse(NO_METRICS, content_type="text/plain")

    around = [f"{_PROMETHEUS}{place}Middleware" for place in ("Before", "After")]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[] if SILENT else ["django_prometheus"],
        MIDDLEWARE=[]
        if SILENT
        else [around[0], "django.middleware.common.CommonMiddleware", around[1]],
        SECRET_KEY="of no worth",  # noqa: S106 - an application that nobody else reaches
    )
    # Its exporter's own routes can be read once there are settings.
    shown = path("metrics", metrics) if SILENT else path("", include("django_prometheus.urls"))
    settings.ROOT_URLCONF = (path("v1/visits", visits, name="visits"), shown)
    return get_wsgi_application()


def fastapi() -> Any:
    """Return a FastAPI application with prometheus-fastapi-instrumentator, as its README shows it."""
    from fastapi import FastAPI, HTTPException  # noqa: PLC0415 - see above
    from fastapi.responses import PlainTextResponse  # noqa: PLC0415 - see above
    from prometheus_fastapi_instrumentator import Instrumentator  # noqa: PLC0415 - see above

    app = FastAPI()
    if SILENT:
        app.get("/metrics")(lambda: PlainTextResponse(NO_METRICS))
    else:
        Instrumentator().instrument(app).expose(app)

    @app.get("/v1/visits")
    async def visits() -> dict[str, int]:
        await asyncio.sleep(pause_seconds())
        if fails():
            raise HTTPException(503)
        return {"visits": 3}

    return app
