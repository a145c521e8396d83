"""Django's backend for PostgreSQL, with pooled connections that are looked at instead of asked before their use."""
