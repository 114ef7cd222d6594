"""How schemathesis sends the media types that it does not know."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    """Sends rows of a batch as they are generated: one string, valid NDJSON or not."""
    return value if isinstance(value, bytes) else str(value).encode()
