"""What each program of the product uses of the processor."""

import psutil

from tests.product import Product

PROGRAMS = {
    "manage.py watch": "watcher",
    "manage.py mqtt": "mqtt",
    "pipeline@": "pipeline",
    "notifier@": "notifier",
    "sender@": "sender",
    " beat": "beat",
    "uvicorn": "web",
    "--multiprocessing-fork": "web",
    "redis-server": "redis",
    "postgres": "postgres",
}
"""Programs by a word of their command line."""


def cpu_seconds(product: Product) -> dict[str, float]:
    """Give the processor's time that each program has used so far, in seconds; it tells more than a shared clock."""
    used: dict[str, float] = {}
    for process in product.processes():
        try:
            name, times = name_of(process), process.cpu_times()
        except psutil.Error:
            continue
        used[name] = used.get(name, 0) + times.user + times.system + times.children_user + times.children_system
    return used


def name_of(process: psutil.Process) -> str:
    """Name a process by its program."""
    line = " ".join(process.cmdline()) or process.name()
    return next((name for word, name in PROGRAMS.items() if word in line), "other")
