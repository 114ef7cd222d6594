#!/usr/bin/env python3
"""Memory over ten thousand renders, and latency of small renders beside large ones.

    python3 tests/load/soak.py PROGRAM [renders] [DESIGN.json...]

Needs only Python. Without designs it uses those in examples/. Not part of .ci/run, because its figures depend on the machine.
Prints the figures that docs/performance.md quotes:

- memory of the service and its render processes while eight clients send the designs in turn: at the start, after every tenth of them, and after a rest;
- time of a thumbnail alone, and while as many documents of 500 pages as there are workers are being rendered.

Exits with 1 when a request fails, or when memory in the second half is more than 10 % above that in the first half.
"""

import concurrent.futures
import glob
import http.client
import itertools
import json
import os
import statistics
import sys
import tempfile
import threading
import time

from service import serve, usage

PROGRAM = os.path.abspath(sys.argv[1])
RENDERS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
DESIGNS = sys.argv[3:] or sorted(glob.glob("examples/*.json"))
CLIENTS, WORKERS, PAGES = 8, 2, 500
THUMBNAIL = {"width": 200, "height": 200, "pages": [{"id": "a", "background": "white", "children": [
    {"id": "t", "type": "text", "text": "Small", "fontSize": 40, "width": 200, "fontFamily": "Roboto"}]}]}


def body(design, **options):
    return json.dumps({"design": design, **options}).encode()


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=600)

    def render(self, sent):
        """Sends a request and returns the seconds until the whole response has arrived."""
        begun = time.monotonic()
        self.connection.request("POST", "/api/render", sent, {"content-type": "application/json"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:500]}")
        return time.monotonic() - begun


def flatness(service, address):
    bodies = itertools.cycle([body(json.load(open(path))) for path in DESIGNS])
    left, lock, marks = iter(range(RENDERS)), threading.Lock(), []

    def client():
        own = Client(address)
        while True:
            with lock:
                at, sent = next(left, None), next(bodies)
                if at is None:
                    return
                if at % (RENDERS // 10) == 0:
                    marks.append(usage(service.pid)[0])
            own.render(sent)

    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for it in [pool.submit(client) for _ in range(CLIENTS)]:
            it.result()
    took = time.monotonic() - begun
    time.sleep(15)  # the processes return free memory every 10 s
    print(f"{RENDERS} renders of {len(DESIGNS)} designs, {CLIENTS} clients: {RENDERS / took:.1f}/s")
    print("resident, MB: " + ", ".join(f"{it:.0f}" for it in marks) + f"; after a rest {usage(service.pid)[0]:.0f}")
    warm = marks[1:]  # the first value is from before any render
    half = len(warm) // 2
    return max(warm[half:]) <= max(warm[:half]) * 1.1


def fairness(address):
    small = body(THUMBNAIL)
    alone = [Client(address).render(small) for _ in range(30)]
    with open("examples/social-post.json") as example:
        source = json.load(example)
    # Without its images, which the request would repeat for each page.
    children = [it for it in source["pages"][0]["children"] if "src" not in it]
    pages = [{**source["pages"][0], "id": f"page-{at}", "children": children} for at in range(PAGES)]
    document = body({**source, "pages": pages}, format="pdf", outputFormat="url")
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        makers = [pool.submit(Client(address).render, document) for _ in range(WORKERS)]
        time.sleep(1)
        among = []
        while not any(it.done() for it in makers):
            among.append(Client(address).render(small))
            time.sleep(0.05)
        took = [it.result() for it in makers]
    middle = lambda values: statistics.median(values) * 1000
    print(f"thumbnail alone: {middle(alone):.0f} ms; among {WORKERS} documents of {PAGES} pages: {middle(among):.0f} ms, "
          f"at most {max(among) * 1000:.0f} ms ({len(among)} thumbnails); the documents took {max(took):.1f} s")


def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = {"WORKERS": WORKERS, "QUEUE": 64, "DEADLINE": 600, "LOG": "warn,tenter=info",
                    "REQUEST_MAX_BYTES": 64 << 20, "MAX_ELEMENTS": 200_000}
        service, address = serve(PROGRAM, folder, settings)
        try:
            flat = flatness(service, address)
            fairness(address)
        finally:
            service.terminate()
            service.wait()
    if not flat:
        sys.exit("memory grows")


main()
