"""Measures a trained run: `python -m experiments.evaluate --workdir=DIR [--step=N] [--config.eval.num_samples=10000]`.

Prints the metrics with their protocol and writes them to DIR/evaluation/STEP.json, the pictures beside it. Fields of
the run's config may be overridden: where the data lie, how many samples, averaged parameters or not. Where the task can
judge single images (-ELBO of a VAE, nats: high = an anomaly), STEP_images.csv has a row for each of the evaluation
split and anomalies_STEP.png shows the highest.
"""

import json
import os

from absl import flags
import numpy as np

from deconv import atomic_files, plots
from deconv.experiments import command

_SHOWN = 64  # images of the picture of anomalies
_WORKDIR = command.define_path('workdir', None, 'folder of a run')
_STEP = flags.DEFINE_integer('step', None, 'step of the checkpoint; default: the newest')


def main(options):
  from deconv.tasks.capabilities import ScoresImages
  from deconv.training import experiment, restore
  from deconv.training.evaluation import Evaluation

  run = experiment.prepare(options)
  _, state, step = restore.restore(options, _WORKDIR.value, _STEP.value, run.task)
  evaluation, state = Evaluation(run), run.parallel.put_state(state)
  metrics, images, protocol = evaluation.measure(state)

  folder = os.path.join(_WORKDIR.value, 'evaluation')
  scores, source = evaluation.score_images(state) if isinstance(run.task, ScoresImages) else (None, None)
  if scores is not None:
    rows = [','.join(scores), *(','.join(f'{value:.7g}' for value in row) for row in zip(*scores.values()))]
    atomic_files.write(os.path.join(folder, f'{step:08d}_images.csv'), '\n'.join(rows).encode() + b'\n')
    highest = scores['index'][np.argsort(-list(scores.values())[-1], kind='stable')[:_SHOWN]]
    images['anomalies'] = plots.image_grid(np.stack([source[int(index)]['image'] for index in highest]))
  for name, image in images.items():
    plots.save_png(os.path.join(folder, f'{name}_{step:08d}.png'), image)
  report = {'step': step, 'metrics': metrics, 'protocol': protocol, 'images_seen': step * options.train.batch_size}
  path = os.path.join(folder, f'{step:08d}.json')
  atomic_files.write_json(path, report)
  print(f'{_WORKDIR.value} at step {step}')
  for name, value in sorted(metrics.items()):
    print(f'  {name:28s} {value:.6g}')
  print(f'  protocol: {json.dumps(protocol)}')
  print(
    f'written: {path}'
    + (f', {step:08d}_images.csv' if scores is not None else '')
    + ''.join(f', {name}_{step:08d}.png' for name in images)
  )


def console():
  """The command line, as `python -m` and the installed command start it."""
  command.run(main, config_from='workdir')


if __name__ == '__main__':
  console()
