from __future__ import annotations

import subprocess
import sys

from tests.checkout import ROOT

TWO_THREADS = """
import sys, threading, time

import probes

started, together = [], []

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name in ("probes.kubernetes", "probes.prometheus"):
            started.append(name)
            time.sleep(0.3)
            together.append(len(started))

sys.meta_path.insert(0, Slow())
threads = [threading.Thread(target=getattr, args=(probes, name)) for name in ("kubernetes", "prometheus")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(together)
"""


def test_two_threads_load_their_probes_one_after_the_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_THREADS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[1, 2]", done.stderr
