"""Starts the service under test without inherited settings, and observes its processes."""

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


def renderers(service):
    """Process ids of the render processes of a service."""
    pids = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                if int(stat.read().rsplit(")", 1)[1].split()[1]) == service:
                    pids.append(int(entry))
        except OSError:
            pass  # it has ended meanwhile
    return pids


def usage(service):
    """Resident MB and CPU seconds of a service and its render processes."""
    resident, cpu = 0, 0
    for pid in [service, *renderers(service)]:
        try:
            with open(f"/proc/{pid}/statm") as statm, open(f"/proc/{pid}/stat") as stat:
                resident += int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
                fields = stat.read().rsplit(")", 1)[1].split()
                cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return resident, cpu
