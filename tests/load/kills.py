#!/usr/bin/env python3
"""Processes killed under load: no request may be lost, answered wrongly or done twice.

    python3 tests/load/kills.py PROGRAM [seconds] [jobs] [batches] [kills]

Needs only Python. Two parts:

1. Four clients send small renders for `seconds` (60), while one render process, chosen at random, is killed every second.
2. `jobs` (300) and `batches` (8, of 20 rows each) are accepted, then render processes and the service itself are killed in
   turn, `kills` (10) times, and the service is started again on the same data. Each job and row must end as done, once: with
   one file, and with one delivery of its end that the receiver has answered.

Exits with 1 when a request was lost, wrong or blamed, or when something was done twice or never.
"""

import collections
import http.client
import http.server
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time

from service import renderers, serve

PROGRAM = os.path.abspath(sys.argv[1])
SECONDS, JOBS, BATCHES, KILLS = (int(sys.argv[at]) if len(sys.argv) > at else value
                                 for at, value in enumerate([60, 300, 8, 10], 2))
ROWS = 20
SETTINGS = {"RASTERIZER": "cpu", "ALLOW_ADDRESSES": "127.0.0.1", "JOB_WORKERS": 4, "WEBHOOK_RETRIES": "1,1,1,1,1"}


def design(text):
    return {"width": 400, "height": 300, "pages": [{"background": "#336699", "children": [
        {"type": "text", "text": text, "width": 380, "height": 100, "fontSize": 40},
        {"type": "figure", "subType": "star", "x": 100, "y": 100, "width": 200, "height": 200, "fill": "#fc0"}]}]}


def call(address, method, path, body=None):
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request(method, path, body and json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def kill_renderers(service, seconds):
    """Kills a random render process every second; returns the number of kills."""
    kills, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        if alive := renderers(service.pid):  # otherwise all are being replaced
            os.kill(random.choice(alive), signal.SIGKILL)
            kills += 1
    return kills


def renders_under_kills(folder):
    service, address = serve(PROGRAM, folder, SETTINGS)
    try:
        bodies = [{"outputFormat": "file", "design": design(f"Design {at}")} for at in range(16)]
        expected = [call(address, "POST", "/api/render", body)[1] for body in bodies]
        done, answers, wrong = threading.Event(), collections.Counter(), collections.Counter()

        def client(seed):
            choose = random.Random(seed)
            while not done.is_set():
                at = choose.randrange(len(bodies))
                try:
                    status, file = call(address, "POST", "/api/render", bodies[at])
                    wrong[status == 200 and file != expected[at]] += 1
                except OSError as error:
                    status = type(error).__name__
                answers[status] += 1

        threads = [threading.Thread(target=client, args=[seed], daemon=True) for seed in range(4)]
        for thread in threads:
            thread.start()
        kills = kill_renderers(service, SECONDS)
        done.set()
        for thread in threads:
            thread.join()
        print(f"{kills} kills in {SECONDS} s: answers {dict(answers)}, wrong {wrong[True]}")
        return set(answers) == {200} and not wrong[True]
    finally:
        service.terminate()
        service.wait(90)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Counts the deliveries by id, and the ends by job or batch."""

    ends = collections.defaultdict(set)

    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        event = self.headers["x-tenter-event"]
        if event in ("job.done", "job.error", "batch.completed"):
            self.ends[told["id"]].add((event, self.headers["x-tenter-delivery"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def jobs_under_kills(folder):
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    webhook = f"http://127.0.0.1:{receiver.server_address[1]}/"
    service, address = serve(PROGRAM, folder, SETTINGS)
    accepted = collections.defaultdict(list)
    for at in range(JOBS):
        body = {"design": design(f"Job {at}"), "pixelRatio": 4, "webhook": webhook}
        accepted["renders"].append(json.loads(call(address, "POST", "/api/renders", body)[1])["id"])
    for at in range(BATCHES):
        rows = [{"name": f"{at} {row}"} for row in range(ROWS)]
        body = {"design": design("Row {name}"), "rows": rows, "pixelRatio": 4, "webhook": webhook}
        accepted["batches"].append(json.loads(call(address, "POST", "/api/batches", body)[1])["id"])

    def open_work():
        jobs = [json.loads(call(address, "GET", f"/api/renders/{it}")[1])["status"] for it in accepted["renders"]]
        batches = [json.loads(call(address, "GET", f"/api/batches/{it}")[1])["status"] for it in accepted["batches"]]
        return sum(it in ("scheduled", "progress") for it in jobs + batches)

    for kill in range(KILLS):
        time.sleep(1)
        if kill % 2:
            while not (alive := renderers(service.pid)):
                time.sleep(0.1)
            os.kill(random.choice(alive), signal.SIGKILL)
        else:
            service.kill()
            service.wait()
            service, address = serve(PROGRAM, folder, SETTINGS)
    left = open_work()
    print(f"{KILLS} kills, {left} of {JOBS} jobs and {BATCHES} batches open after the last one")
    end = time.monotonic() + 600
    while open_work() and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(8)  # the last deliveries, repeated after a second each
    jobs = [json.loads(call(address, "GET", f"/api/renders/{it}")[1]) for it in accepted["renders"]]
    batches = [json.loads(call(address, "GET", f"/api/batches/{it}")[1]) for it in accepted["batches"]]
    service.terminate()
    service.wait(90)
    receiver.shutdown()
    done = collections.Counter(it["status"] for it in jobs)
    rows = sum((collections.Counter(it["counts"]) for it in batches), collections.Counter())
    files = sum(len(names) for _, _, names in os.walk(os.path.join(folder, "jobs")))
    repeated = [ends for ends in Receiver.ends.values() if len(ends) != 1]
    print(f"jobs {dict(done)}, rows {dict(rows)}, files {files}, ends delivered {len(Receiver.ends)}, "
          f"with more than one delivery {len(repeated)}")
    whole = done == {"done": JOBS} and +rows == {"done": BATCHES * ROWS}
    return whole and files == JOBS + BATCHES * ROWS and len(Receiver.ends) == JOBS + BATCHES and not repeated and left > 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        renders = renders_under_kills(os.path.join(folder, "renders"))
        jobs = jobs_under_kills(os.path.join(folder, "jobs"))
    return 0 if renders and jobs else 1


sys.exit(main())
