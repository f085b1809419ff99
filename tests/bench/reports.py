#!/usr/bin/env python3
"""What reports of 2,000 tasks cost, as whole processes: processor time and
memory of each format, against reading the journal with `wc` in the same run.

    reports.py BUILD [TASKS]"""
import os
import shutil
import subprocess
import sys

os.environ["NIGHTJAR_BUILD"] = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "reports"))
from corpus import FOLDER, NIGHTJAR, large_run  # noqa: E402

TASKS = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
ROUNDS = 5


def measure(words):
    """The least of several: seconds, MiB, bytes written."""
    times, peak, size = [], 0, 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        size = 0
        while True:
            piece = child.stdout.read(1 << 20)
            if not piece:
                break
            size += len(piece)
        _, status, usage = os.wait4(child.pid, 0)
        times.append(usage.ru_utime + usage.ru_stime)
        peak = usage.ru_maxrss / 1024
        assert not status, words
    return min(times), peak, size


try:
    folder = large_run(TASKS)
    journal = os.path.join(folder, "journal.jsonl")
    floor, _, _ = measure(["wc", journal])
    read = os.path.getsize(journal)
    print(f"\nreports of {TASKS} tasks, journal of {read >> 20} MiB "
          f"(wc: {floor * 1000:.0f} ms)")
    print(f"{'format':14} {'ms':>8} {'x wc':>8} {'MiB':>6} {'KiB out':>9}")
    for name in ("json", "junit", "tap", "ctrf", "sarif", "codequality",
                 "markdown", "github", "html", "mail", "traces", "table"):
        took, peak, size = measure([NIGHTJAR, "report", folder, "--report",
                                    name])
        print(f"{name:14} {took * 1000:8.0f} {took / floor:8.0f} {peak:6.0f} "
              f"{size >> 10:9}")
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
