"""The running product."""

from siteadmin.settings.base import *  # noqa: F403 - the settings are those of base
