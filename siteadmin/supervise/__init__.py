"""All processes of one machine under one supervisor: `python -m siteadmin.supervise`, which is `make run`."""
