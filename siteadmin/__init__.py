"""siteadmin: uploaded camera pictures turned into a security system people can rely on."""

from siteadmin.celery import app as celery_app

__all__ = ["celery_app"]
