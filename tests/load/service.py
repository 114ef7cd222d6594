"""Starts the service under test without inherited settings."""

import json
import os
import subprocess
import threading


def serve(program, folder, settings):
    """Starts the service, waits until it is ready, and returns the process and its address.

    `settings`: names without the prefix TENTER_, and values.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("TENTER_")}
    settings = {"LISTEN": "127.0.0.1:0", "LOG_FORMAT": "json", "DATA_DIR": folder, **settings}
    own |= {f"TENTER_{name}": str(value) for name, value in settings.items()}
    service = subprocess.Popen([program, "serve"], env=own, stderr=subprocess.PIPE, text=True)
    address, lines = None, []
    for line in service.stderr:
        lines.append(line)
        entry = json.loads(line) if line.startswith("{") else {}
        address = address or entry.get("address")
        if entry.get("message") == "ready":
            break
    else:
        raise SystemExit("".join(lines))
    threading.Thread(target=lambda: [None for _ in service.stderr], daemon=True).start()
    return service, address
