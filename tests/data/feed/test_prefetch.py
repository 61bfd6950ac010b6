"""What worker processes leave behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests.data import pictures

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
SIDE, BATCH = 61, 5
BYTES = BATCH * SIDE * SIDE * 3  # of the images of a batch, which no other test has

MAIN = """
import json, multiprocessing, sys
from deconv.data import DataOptions, TrainBatches, open_source
if __name__ == '__main__':
  options = DataOptions(source='folder', worker_kind='process', workers=2, prefetch=4, **json.loads(sys.argv[1]))
  batches = TrainBatches(open_source(options), int(sys.argv[2]), 0, options).iterate()
  kept = [next(batches) for _ in range(2)]
  print(json.dumps([process.pid for process in multiprocessing.active_children()]), flush=True)
  if sys.stdin.readline() == 'close\\n':
    batches.close()
    print(json.dumps('closed'), flush=True)
"""


def segments():
  """The pieces of shared memory that hold the images of such a batch."""
  found = []
  for entry in os.scandir('/dev/shm'):
    try:
      if entry.stat().st_size == BYTES:
        found.append(entry.name)
    except FileNotFoundError:
      pass
  return found


def is_running(pid):
  try:
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
  except FileNotFoundError:
    return False


@pytest.mark.skipif(sys.platform != 'linux', reason='looks into /dev/shm and /proc')
def test_workers_and_shared_memory_end_with_a_process_that_is_killed(tmp_path):
  files = {f'{i}.png': pictures.encode(pictures.smooth(70, 70, i)) for i in range(12)}
  options = {
    'path': pictures.write_folder(tmp_path / 'images', files),
    'image_size': SIDE,
    'channels': 3,
    'memory_limit_mb': 0,
  }
  script = tmp_path / 'main.py'  # worker processes import it
  script.write_text(MAIN)
  process = subprocess.Popen(
    [sys.executable, script, json.dumps(options), str(BATCH)],
    cwd=ROOT,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    text=True,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )
  workers = []
  try:
    workers = json.loads(process.stdout.readline())
    assert len(workers) == 2 and all(map(is_running, workers)) and segments()
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=60)  # returns when the last of them has closed its end of the pipe
    assert err == ''
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (segments() or any(map(is_running, workers))):
      time.sleep(0.05)
    assert not segments() and not any(map(is_running, workers))
  finally:
    process.kill()
    for worker in workers:
      if is_running(worker):
        os.kill(worker, signal.SIGKILL)
