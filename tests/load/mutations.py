#!/usr/bin/env python3
"""Mutated designs of one client beside small renders of another.

    python3 tests/load/mutations.py PROGRAM [seconds] [seed] [DESIGN.json...]

Needs only Python. Without designs it takes those in examples/. For `seconds` (600) two clients send mutated designs: members
removed, repeated or of another type, extreme numbers, odd Unicode, and changed bytes in the pictures, SVG and fonts that the
designs contain as `data:` URLs. Every 100 ms a small page is rendered beside them. Prints how both were answered, the latency of
the small pages, and the processes that ended. Exits with 1 when a small page failed or differed, or a mutated design was answered
with a status that blames the service (5xx but 503 and 504).
"""

import base64
import collections
import copy
import glob
import http.client
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
import urllib.request

from service import SmallPages, post, serve

PROGRAM = os.path.abspath(sys.argv[1])
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 600
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
FILES = sys.argv[4:] or sorted(glob.glob("examples/*.json"))
NUMBERS = [0, -0.0, -1, 1, 0.5, 1e-320, 1e308, -1e308, 2**31, 2**63, 2**64, -2**63, 1e5, "NaN", "12", "1e9"]
TEXTS = ["", " ", "\0", "\u202e", "\ud7ff", "\U0010ffff", "e\u0301" * 200, "\U0001f468\u200d\U0001f469" * 50, "\u0627\u05d0a" * 300,
         "<b><i>x</b>y</i>", "<ol><li>" * 60, "{a}{{b}}", "a" * 5000, "#", "rgba(1,2", "linear-gradient(90deg,red", "data:,", "http://",
         "\ufeff", "\t\n" * 100, "url(#a)"]
FORMATS = [{}, {"format": "jpeg"}, {"format": "webp"}, {"format": "pdf"}, {"format": "pdf", "exportOptions": {"vector": True}}]
DATA_URL = re.compile(r"^data:([^,;]*)(;base64)?,", re.S)


def places(value, found):
    """Every container and key of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    for key, inner in items:
        found.append((value, key))
        places(inner, found)
    return found


def changed_bytes(choose, data):
    data = bytearray(data)
    for _ in range(choose.choice([1, 2, 8, 64])):
        if not data:
            break
        at = choose.randrange(len(data))
        match choose.randrange(5):
            case 0: data[at] = choose.randrange(256)
            case 1: data[at] ^= 1 << choose.randrange(8)
            case 2: del data[at:at + choose.randrange(1, 64)]
            case 3: data[at:at] = data[max(0, at - 32):at]
            case _: data[at:at + 4] = choose.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
    return bytes(data)


def changed_text(choose, text):
    if matched := DATA_URL.match(text):
        body = text[matched.end():]
        try:
            data = base64.b64decode(body) if matched[2] else urllib.request.unquote_to_bytes(body)
        except ValueError:
            return choose.choice(TEXTS)
        return f"data:{matched[1]};base64," + base64.b64encode(changed_bytes(choose, data)).decode()
    if text and choose.random() < 0.5:
        at = choose.randrange(len(text))
        return text[:at] + choose.choice(TEXTS)[:200] + text[at:]
    return choose.choice(TEXTS)


def mutated(choose, design):
    design = copy.deepcopy(design)
    for _ in range(choose.choice([1, 1, 2, 4, 12])):
        found = places(design, [])
        if not found:
            break
        container, key = choose.choice(found)
        value = container[key]
        match choose.randrange(8):
            case 0: del container[key]
            case 1: container[key] = choose.choice([None, True, [], {}, [[]], "x", 7])
            case 2 | 3 if isinstance(value, (int, float)): container[key] = choose.choice(NUMBERS)
            case 4 | 5 | 6 if isinstance(value, str): container[key] = changed_text(choose, value)
            case 7 if isinstance(container, list): container.extend(copy.deepcopy([value]) * choose.choice([1, 3, 30]))
            case _: container[key] = choose.choice([*NUMBERS, *TEXTS])
    return design


def metric(address, name):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return [line for line in lines if line.startswith(name)]


def measure(service, address):
    designs = []
    for path in FILES:
        with open(path) as text:
            value = json.load(text)
            designs.append(value.get("design", value))
    small = SmallPages(service.pid, address)
    done, answers, blamed = threading.Event(), collections.Counter(), []

    def client(seed):
        choose = random.Random(seed)
        while not done.is_set():
            call = {"design": mutated(choose, choose.choice(designs)), "outputFormat": "file", **choose.choice(FORMATS)}
            options = call.setdefault("exportOptions", {})
            call["exportOptions"] = {**options, "skipImageError": True, "skipFontError": True}
            body = json.dumps(call)
            try:
                status, answer = post(address, body)
            except OSError as error:
                status, answer = type(error).__name__, b""
            answers[status] += 1
            if not isinstance(status, int) or status in (500, 502) or b"ended the renderer" in answer:
                blamed.append((status, answer[:300]))
                with open(f"mutation-{SEED}-{len(blamed)}.json", "w") as out:
                    out.write(body)

    threads = [threading.Thread(target=client, args=[SEED + at], daemon=True) for at in range(2)]
    for thread in threads:
        thread.start()
    small.render(SECONDS)
    done.set()
    for thread in threads:
        thread.join(60)
    print(f"seed {SEED}: {sum(answers.values())} mutated designs: {dict(answers)}")
    for status, answer in blamed[:10]:
        print(f"  {status}: {answer.decode(errors='replace')}")
    print("\n".join(metric(address, "tenter_renderer_restarts_total") + metric(address, "tenter_renderer_culprits_total")))
    print(f"{small}; memory at most {small.peak:.0f} MB")
    return 0 if small.are_right() and not blamed else 1


def main():
    settings = {"RASTERIZER": "cpu", "DEADLINE": "10 s", "QUEUE": "100"}
    with tempfile.TemporaryDirectory() as folder:
        service, address = serve(PROGRAM, folder, settings)
        try:
            return measure(service, address)
        finally:
            service.terminate()
            service.wait(90)


sys.exit(main())
