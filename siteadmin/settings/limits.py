"""How often each may ask the API (siteadmin.core.throttling), and how long the database may take over it."""

from siteadmin.core.rates import RATES_TAKE, parse_rates
from siteadmin.settings.env import Env

env = Env()


QUERY_TIMEOUT = env.seconds("QUERY_TIMEOUT_SECONDS", default=15, maximum=3600)
THROTTLES = {
    # A page of fifty thumbnails is fifty reads.
    "reads": env.parsed("THROTTLE_READS", parse_rates, default=parse_rates("6000/minute"), takes=RATES_TAKE),
    "searches": env.parsed("THROTTLE_SEARCHES", parse_rates, default=parse_rates("300/minute"), takes=RATES_TAKE),
    "writes": env.parsed("THROTTLE_WRITES", parse_rates, default=parse_rates("600/minute"), takes=RATES_TAKE),
    # Many cameras may share a key, and a refused picture is lost: most cameras send each once.
    "uploads": env.parsed("THROTTLE_UPLOADS", parse_rates, default=parse_rates("6000/minute"), takes=RATES_TAKE),
    "tests": env.parsed("THROTTLE_TESTS", parse_rates, default=parse_rates("10/minute"), takes=RATES_TAKE),
    "strangers": env.parsed("THROTTLE_STRANGERS", parse_rates, default=parse_rates("300/minute"), takes=RATES_TAKE),
}
"""By `throttling.Scope`."""
