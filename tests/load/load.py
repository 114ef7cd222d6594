#!/usr/bin/env python3
"""Overloads the service with twice its capacity for a minute: python3 tests/load/load.py PROGRAM [seconds]

Needs `wrk` and `hey` (Debian packages). Prints the table of docs/operating.md. Not part of .ci/run, because its figures
depend on the machine. Exits with 1 when a response is neither 2xx nor 429, a response is too late, or memory grows.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from service import serve

PROGRAM = os.path.abspath(sys.argv[1])
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
WORKERS, QUEUE, DEADLINE = 2, 8, 60
CLIENTS, SENDERS = 100, 25
DESIGN = "examples/social-post.json"


def metrics(origin):
    text = urllib.request.urlopen(f"{origin}/metrics").read().decode()
    return {name: float(value) for name, value in re.findall(r"^(tenter_\S+) (\S+)$", text, re.M)}


def capacity(origin, folder, seconds=15):
    """Renders per second with as many clients as workers, so that no request waits or is refused."""
    script = os.path.join(folder, "post.lua")
    with open(script, "w") as out:
        out.write(f'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
                  f'local f = io.open("{folder}/body.json")\nwrk.body = f:read("*a")\n')
    output = subprocess.run(["wrk", "-t", "1", "-c", str(WORKERS), "-d", f"{seconds}s", "--timeout", "60s", "-s", script,
                           f"{origin}/api/render"], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def flood(origin, folder, rate):
    """Sends `rate` requests per second and returns (status, seconds) of every response.

    The clients of one `hey` send in lockstep, which would cause bursts; several processes with staggered starts avoid that.
    """
    senders = []
    for _ in range(SENDERS):
        each = CLIENTS // SENDERS
        command = ["hey", "-z", f"{SECONDS}s", "-c", str(each), "-q", f"{rate / CLIENTS:.4f}", "-t", "120", "-m", "POST",
                   "-T", "application/json", "-D", f"{folder}/body.json", "-o", "csv", f"{origin}/api/render"]
        senders.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        time.sleep(CLIENTS / rate / SENDERS)
    outputs = [sender.communicate()[0] for sender in senders]
    rows = [row for output in outputs for row in csv.DictReader(io.StringIO(output))]
    return [(int(row["status-code"]), float(row["response-time"])) for row in rows]


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def main():
    folder = tempfile.mkdtemp(prefix="tenter-load-")
    with open(DESIGN) as design, open(f"{folder}/body.json", "w") as body:
        json.dump({"design": json.load(design), "outputFormat": "file"}, body)
    service, address = serve(PROGRAM, folder, {"WORKERS": WORKERS, "QUEUE": QUEUE, "DEADLINE": DEADLINE})
    origin = f"http://{address}"
    try:
        before = capacity(origin, folder)
        at_rest = metrics(origin)["tenter_memory_resident_bytes"]
        seen, ended = [], threading.Event()

        def watch():
            while not ended.wait(1.0):
                seen.append(metrics(origin))

        watching = threading.Thread(target=watch)
        watching.start()
        answers = flood(origin, folder, 2 * before)
        ended.set()
        watching.join()
        begun = time.monotonic()
        urllib.request.urlopen(urllib.request.Request(f"{origin}/api/render", open(f"{folder}/body.json", "rb").read(),
                                                      {"content-type": "application/json"})).read()
        first_after = time.monotonic() - begun
        after = capacity(origin, folder)
        finally_ = metrics(origin)["tenter_memory_resident_bytes"]
    finally:
        service.terminate()
        service.wait()

    accepted = [took for status, took in answers if 200 <= status < 300]
    refused = [took for status, took in answers if status == 429]
    others = [status for status, _ in answers if not (200 <= status < 300 or status == 429)]
    # The longest wait in a full queue: all requests before it and itself, at the rate measured in this run.
    bound = (QUEUE + WORKERS) / (len(accepted) / SECONDS)
    memory = [it["tenter_memory_resident_bytes"] / 2**20 for it in seen]
    half = len(memory) // 2
    waiting = max(it["tenter_renders_waiting"] for it in seen)
    rows = [
        ("capacity before: renders/s with as many clients as workers", f"{before:.1f}"),
        (f"offered for {SECONDS} s, requests/s", f"{len(answers) / SECONDS:.1f}"),
        ("answered 2xx", f"{len(accepted)} ({len(accepted) / SECONDS:.1f}/s)"),
        ("answered 429", f"{len(refused)}, p99 {percentile(refused, 0.99) * 1000:.0f} ms"),
        ("other responses, or none", str(len(others))),
        ("2xx: p50, p99, maximum", ", ".join(f"{it:.2f} s" for it in
                                          (percentile(accepted, 0.5), percentile(accepted, 0.99), max(accepted)))),
        ("queue bound: (TENTER_QUEUE + TENTER_WORKERS) / 2xx per second", f"{bound:.2f} s"),
        ("p99 of 2xx / queue bound", f"{percentile(accepted, 0.99) / bound:.2f}"),
        ("maximum waiting", f"{waiting:.0f} of {QUEUE}"),
        ("memory: idle, maximum in the first half, in the second half, afterwards",
         f"{at_rest / 2**20:.0f}, {max(memory[:half]):.0f}, {max(memory[half:]):.0f}, {finally_ / 2**20:.0f} MiB"),
        ("first render afterwards", f"{first_after * 1000:.0f} ms"),
        ("capacity afterwards", f"{after:.1f}"),
    ]
    print("| | |\n| --- | --- |")
    for what, value in rows:
        print(f"| {what} | {value} |")
    late = [took for _, took in answers if took > DEADLINE]
    grown = max(memory[half:]) > 1.25 * max(memory[:half])
    sys.exit(1 if others or late or grown or percentile(accepted, 0.99) > 2 * bound else 0)


main()
