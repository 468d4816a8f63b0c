"""One module per system: typed functions that ask under a deadline and return observations.

Probes fetch, they never judge. Client libraries log URLs, headers and statements at INFO and DEBUG;
importing this package raises their loggers to WARNING, so that no secret or patient's data reaches a log.
"""

import logging

for _name in ("httpx", "httpcore", "requests", "urllib3", "psycopg", "redis"):
    logging.getLogger(_name).setLevel(logging.WARNING)
