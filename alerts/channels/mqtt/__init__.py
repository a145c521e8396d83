"""MQTT: alerts, cameras and the mode on a broker, in the form in which Home Assistant finds and shows them.

`transport` sends one alert over a connection of its own; `alerts.services.mqtt` keeps a connection for all else.
"""
