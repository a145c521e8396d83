"""The mended Redis transport: a lost connection is a connection error, not a bug."""

import pytest
from celery import current_app

from siteadmin.core.broker import Transport


def test_the_products_broker_uses_it():
    with current_app.connection_for_read() as connection:
        assert isinstance(connection.transport, Transport)


def test_a_channel_whose_connection_was_lost_says_so_as_a_connection_error():
    connection = current_app.connection_for_write()
    channel = connection.default_channel

    connection.release()

    with pytest.raises(connection.connection_errors):
        channel._connparams()
