#!/usr/bin/env python3
"""Small renders of one client while another sends requests that hurt.

    python3 tests/load/hostile.py PROGRAM [seconds] [CALL.json...]

Needs only Python. Each CALL.json is the body of a render call; those that this script makes itself are sent as well:
pictures of 9999 x 9999 px, a path of 400 000 crossing segments, SVG with 380 000 declarations, with 200 000 attributes and with
text in two directions, and filters that take long. All are sent together, over and over. Every 100 ms a small page is rendered
beside them. Prints how the small pages were answered, their latency, the answers of the others, and the memory and CPU time of
all processes 5 s after the end. Exits with 1 when a small page failed or differed.
"""

import base64
import collections
import json
import os
import struct
import sys
import tempfile
import threading
import time
import zlib

from service import SmallPages, post, renderers, serve, usage

PROGRAM = os.path.abspath(sys.argv[1])
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 120
CALLS = sys.argv[3:]


def design(*children, width=400, height=400):
    return {"outputFormat": "file", "design": {"width": width, "height": height, "pages": [{"children": list(children)}]}}


def picture(text, **more):
    source = "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()
    return {"type": "svg", "src": source, "width": 400, "height": 400, **more}


def svg(content):
    return picture(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">{content}</svg>')


def png_bomb(gray):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 9999, 9999, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([gray]) * 9999) * 9999, 9)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(file).decode()


def own_calls():
    yield "pictures", design(*({"type": "image", "src": png_bomb(gray), "x": gray, "width": 50, "height": 50}
                               for gray in range(20)))
    path = "M0 0" + "".join(f"L{(i * 7919) % 9000} {(i * 104729) % 9000}" for i in range(400_000))
    yield "path", design(picture(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9000 9000"><path d="{path}"/></svg>',
                                 width=9000, height=9000), width=9000, height=9000)
    yield "style", design(svg('<rect style="' + "fill:red;" * 380_000 + '" width="9" height="9"/>'))
    yield "attributes", design(svg("<rect " + " ".join(f'a{i}="1"' for i in range(200_000)) + "/>"))
    yield "directions", design(svg("<text>" + "\u05d0a" * 300_000 + "</text>"))
    turbulences = "".join(f'<feTurbulence baseFrequency="0.0{i % 9 + 1}" numOctaves="20" result="t{i}"/>' for i in range(200))
    blurs = "".join('<feGaussianBlur stdDeviation="40"/>' for _ in range(300))
    for name, filters in [("turbulence", turbulences), ("blurs", blurs)]:
        yield name, design(svg(f'<filter id="f">{filters}</filter><rect width="400" height="400" filter="url(#f)"/>'))
    for file in CALLS:
        with open(file) as text:
            yield os.path.basename(file), json.load(text)


def main():
    settings = {"RASTERIZER": "cpu", "DEADLINE": "10 s", "QUEUE": "100", "MAX_MEGAPIXELS": "100"}
    with tempfile.TemporaryDirectory() as folder:
        process, address = serve(PROGRAM, folder, settings)
        try:
            return measure(Service(process.pid, address))
        finally:
            process.terminate()
            process.wait(90)


Service = collections.namedtuple("Service", "pid address")


def measure(service):
    small = SmallPages(service.pid, service.address)
    before = usage(service.pid)
    hostile = {name: json.dumps(call) for name, call in own_calls()}
    answers, done = collections.defaultdict(collections.Counter), threading.Event()

    def hurt(name, body):
        while not done.is_set():
            try:
                answers[name][post(service.address, body)[0]] += 1
            except OSError as error:
                answers[name][type(error).__name__] += 1
            time.sleep(0.2)

    threads = [threading.Thread(target=hurt, args=item, daemon=True) for item in hostile.items()]
    for thread in threads:
        thread.start()
    small.render(SECONDS)
    done.set()
    for thread in threads:
        thread.join(60)
    time.sleep(5)
    resident, cpu = usage(service.pid)
    time.sleep(2)
    idle = (usage(service.pid)[1] - cpu) / 2
    for name, counts in answers.items():
        print(f"{name}: {dict(counts)}")
    print(small)
    print(f"memory: {before[0]:.0f} MB before, {small.peak:.0f} at most, {resident:.0f} 5 s after the end; "
          f"CPU then: {idle * 100:.0f} %; processes: {1 + len(renderers(service.pid))}")
    return 0 if small.are_right() else 1


sys.exit(main())
