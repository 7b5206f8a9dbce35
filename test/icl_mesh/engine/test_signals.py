"""Ctrl-C after an engine was loaded in one thread and freed in another."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: OpenVINO's plug-in left the main thread with a signal stack in freed memory (CPUs with AMX).
LOAD_HERE_FREE_THERE = """
import gc, os, signal, sys, threading, time
from icl_mesh import Estimator
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's "&"
held = [Estimator.load(device="cpu", engine=sys.argv[1])]

def free():
    held.clear()
    gc.collect()

thread = threading.Thread(target=free)
thread.start()
thread.join()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    os._exit(7)
"""


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_signal_finds_its_stack(engine) -> None:
    pytest.importorskip(engine, reason=f"PyPI package {engine} is not installed")
    command = [sys.executable, "-c", LOAD_HERE_FREE_THERE, engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 7, done.stderr
