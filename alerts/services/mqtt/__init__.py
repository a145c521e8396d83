"""The kept connections to MQTT brokers: how cameras stand, the mode, and whether siteadmin is there at all.

The database says what there is to tell. Whoever connects tells all of it, and from then on what changes: so a process
that is killed, a broker that was away or forgot everything, and a message that was lost cost nothing but time.
"""
