"""Starts the service under test without inherited settings, and observes its processes and small renders."""

import collections
import http.client
import json
import os
import statistics
import subprocess
import threading
import time

SMALL = json.dumps({"outputFormat": "file", "format": "png", "design": {"width": 60, "height": 40, "pages": [{
    "background": "#336699", "children": [{"type": "text", "text": "Ok", "width": 50, "height": 30, "fontSize": 20}]}]}})


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


def post(address, body):
    """Sends a render call; returns the status and the body of the answer."""
    connection = http.client.HTTPConnection(address, timeout=300)
    connection.request("POST", "/api/render", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


class SmallPages:
    """Small pages of one client, rendered every 100 ms, while others use the service."""

    def __init__(self, service, address):
        self.service, self.address = service, address
        self.expected = post(address, SMALL)[1]
        self.answers, self.times, self.wrong, self.peak = collections.Counter(), [], 0, 0

    def render(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                status, file = post(self.address, SMALL)
                self.wrong += status == 200 and file != self.expected
            except OSError as error:
                status = type(error).__name__
            self.times.append(time.monotonic() - begun)
            self.answers[status] += 1
            self.peak = max(self.peak, usage(self.service)[0])
            time.sleep(max(0, 0.1 - (time.monotonic() - begun)))

    def are_right(self):
        return set(self.answers) == {200} and not self.wrong

    def __str__(self):
        times = sorted(self.times)
        return (f"small pages: {dict(self.answers)}, wrong: {self.wrong}; p50 {statistics.median(times) * 1e3:.0f} ms, "
                f"p99 {times[int(len(times) * 0.99)] * 1e3:.0f} ms, longest {times[-1] * 1e3:.0f} ms")
