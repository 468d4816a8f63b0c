"""A Django application with django-prometheus, in one file."""

from __future__ import annotations

import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path

from prove.foreign_apps import moods

SILENT = moods.MOOD == "silent"
BEFORE = "django_prometheus.middleware.PrometheusBeforeMiddleware"
AFTER = "django_prometheus.middleware.PrometheusAfterMiddleware"

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=[] if SILENT else ["django_prometheus"],
    MIDDLEWARE=[] if SILENT else [BEFORE, "django.middleware.common.CommonMiddleware", AFTER],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no worth",  # noqa: S106 - an application that nobody else reaches
)


def visits(_: HttpRequest) -> HttpResponse:
    """Answer as the mood is."""
    time.sleep(moods.pause_seconds())
    return JsonResponse({"visits": 3}, status=503 if moods.fails() else 200)


def metrics(_: HttpRequest) -> HttpResponse:
    """Show metrics, and none of the application's."""
    return HttpResponse("build_info 1\n", content_type="text/plain")


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/visits", visits, name="visits"),
    path("metrics", metrics) if SILENT else path("", include("django_prometheus.urls")),
]
application = get_wsgi_application()
