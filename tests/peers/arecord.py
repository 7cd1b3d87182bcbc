#!/usr/bin/env python3
"""Stands in for arecord where a card would have to overrun: plays a script of bytes and words in this order.

Each step stands in the file named by ARECORD_SCRIPT, a JSON list of {"samples": hex}, {"says": text},
{"drained": true} (waits until all was read), {"deaf": true} and {"exits": code}; then it waits for its end.
The real one is used everywhere else; its words are those of xrun() in alsa-utils' aplay.c.
"""

import fcntl
import json
import os
import signal
import struct
import sys
import termios
import time
from pathlib import Path


def main() -> None:
    for step in json.loads(Path(os.environ["ARECORD_SCRIPT"]).read_text()):
        if "samples" in step:
            data = bytes.fromhex(step["samples"])
            while data:
                data = data[os.write(1, data) :]
        elif "says" in step:
            os.write(2, step["says"].encode())
        elif "exits" in step:
            sys.exit(step["exits"])
        elif "drained" in step:
            while struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, bytes(4)))[0]:
                time.sleep(0.005)
        elif "deaf" in step:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
