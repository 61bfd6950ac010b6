"""`python -m tests.training.run_tiny JSON`: trains the tiny task in a process of its own, which a test may kill.

JSON: {'workdir', 'overrides': {section__field: value}, 'sleep': seconds a batch takes, 'distributed': a spec}.
"""

import json
import signal
import sys
import time

from deconv.experiments import command
from deconv.experiments.distributed import joined


def main(workdir, overrides, sleep=0.0, distributed=''):
  with command.one_sentence(), joined(distributed, 60):
    train(workdir, overrides, sleep)


def train(workdir, overrides, sleep):
  from deconv import data
  from tests.training import tiny

  make = data.TrainBatches.at

  def slow(self, step):
    time.sleep(sleep)
    return make(self, step)

  data.TrainBatches.at = slow
  signal.signal(signal.SIGUSR1, _break)
  tiny.train(tiny.make_config(**overrides), workdir)


def _break(number, frame):
  raise ZeroDivisionError('told to')


if __name__ == '__main__':
  main(**json.loads(sys.argv[1]))
