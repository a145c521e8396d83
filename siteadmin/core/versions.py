"""Rows that people edit count their changes, so that nobody overwrites what they have not seen."""

from django.db import models


class Versioned(models.Model):
    """A row with a `version`: what the pipeline writes does not count."""

    version = models.PositiveIntegerField(default=1, editable=False, help_text="Counts people's changes alone.")

    class Meta:
        abstract = True
