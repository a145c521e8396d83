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


def test_a_channel_keeps_its_client_as_long_as_its_pool_of_connections():
    with current_app.connection_for_write() as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as again:
            assert first is again

        channel._disconnect_pools()

        with channel.conn_or_acquire() as new:
            assert new is not first
            assert new.ping()
