"""`python -m tests.training.run_tiny JSON`: trains the tiny task in a process of its own, which a test may kill.

JSON: {'workdir', 'overrides': {section__field: value}, 'sleep': seconds a batch takes, 'distributed': (address, n, i)}.
"""

import json
import sys
import time


def main(workdir, overrides, sleep=0.0, distributed=None):
  if distributed:
    import jax

    address, count, index = distributed
    jax.distributed.initialize(address, num_processes=count, process_id=index, initialization_timeout=60)
  from deconv import data
  from deconv.errors import UserError
  from tests.training import tiny

  make = data.TrainBatches.at

  def slow(self, step):
    time.sleep(sleep)
    return make(self, step)

  data.TrainBatches.at = slow
  try:
    tiny.train(tiny.make_config(**overrides), workdir)
  except UserError as error:
    sys.exit(f'error: {error}')


if __name__ == '__main__':
  main(**json.loads(sys.argv[1]))
