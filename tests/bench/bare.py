"""`python -m tests.bench.bare`: ask the database one question again and again; writes how often a second."""

import json
import sys
import threading
import time

import psycopg


def main() -> None:
    """Read the question as JSON from standard input; each client has a thread and a connection of its own."""
    asked = json.load(sys.stdin)
    counts = [0] * asked["clients"]
    barrier = threading.Barrier(asked["clients"] + 1)

    def ask(client: int) -> None:
        with psycopg.connect(asked["url"], autocommit=True) as connection, connection.cursor(binary=True) as cursor:
            barrier.wait()
            end = time.monotonic() + asked["seconds"]
            number = client * len(asked["parameters"]) // asked["clients"]
            while time.monotonic() < end:
                parameters = asked["parameters"][number % len(asked["parameters"])]
                cursor.execute(asked["sql"], parameters).fetchall()
                number += 1
                counts[client] += 1

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(asked["clients"])]
    for thread in threads:
        thread.start()
    barrier.wait()
    for thread in threads:
        thread.join()
    sys.stdout.write(f"{sum(counts) / asked['seconds']}\n")


if __name__ == "__main__":
    main()
