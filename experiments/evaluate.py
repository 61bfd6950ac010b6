"""Measures a trained run: `python -m experiments.evaluate --workdir=DIR [--step=N] [--config.eval.num_samples=10000]`.

Prints the metrics with their protocol and writes them to DIR/evaluation/STEP.json, the pictures beside it. Where the
task can judge single images (-ELBO of a VAE, nats: high = an anomaly), STEP_images.csv has a row for each of the
evaluation split and anomalies_STEP.png shows the highest.

`--weights=NAME --config.data.path=FOLDER` in place of `--workdir` judges trained weights that come with this library,
or FILE.safetensors of scripts.export_weights: `--weights=fsrcnn_x3 --config.data.path=SET5`. Beside each number stands
the one that was recorded when they were made. The files are written to `--out`, by default NAME_evaluation.

Fields of the run's config may be overridden: where the data lie, how many samples, averaged parameters or not. What is
measured with other values than the run's own does not replace what was measured with these: its files are called
STEP-OVERRIDES, where OVERRIDES are eight digits that belong to these values, and `overrides` in the JSON file says
which they are.
"""

import dataclasses
import hashlib
import json
import os

from absl import flags
import numpy as np

from deconv import atomic_files, plots
from deconv.experiments import command
from deconv.training import config_diff, weight_metadata
from deconv.training.saved_config import load_config

_SHOWN = 64  # images of the picture of anomalies
_WORKDIR = command.define_path('workdir', None, 'folder of a run')
_WEIGHTS = command.define_path('weights', None, 'name or file of trained weights, in place of a run')
_OUT = command.define_path('out', None, 'folder to write to; default: DIR/evaluation, or NAME_evaluation of --weights')
_REFERENCE = command.define_path(
  'reference', None, '.npz file with the statistics of real images, for --config.eval.reference'
)
_STEP = flags.DEFINE_integer('step', None, 'step of the checkpoint; default: the newest')


def main(options):
  weights = weight_metadata.find(_WEIGHTS.value) if _WEIGHTS.value else None
  print(f'evaluating {_WEIGHTS.value or _WORKDIR.value}', flush=True)  # before the seconds in which JAX starts
  import jax

  from deconv.tasks.capabilities import ScoresImages
  from deconv.training import compilation_cache, evaluation, experiment, exported, provenance, restore

  compilation_cache.enable(options.compilation_cache)
  if _REFERENCE.value:
    options = dataclasses.replace(options, eval=dataclasses.replace(options.eval, reference=_REFERENCE.value))
  own = weight_metadata.load_config(weights) if weights else load_config(_WORKDIR.value)
  overrides = config_diff.changed(config_diff.to_plain(own), config_diff.to_plain(options))
  run = experiment.prepare(_without_training(options) if weights else options)
  if weights:
    _, state, step = exported.restore(options, weights, run.task)
  else:
    _, state, step = restore.restore(options, _WORKDIR.value, _STEP.value, run.task)
  print(f'at step {step}', *(f'with {name}={value}' for name, value in overrides.items()), sep=', ', flush=True)
  measuring, state = evaluation.Evaluation(run), run.parallel.put_state(state)
  metrics, images, protocol, seconds = measuring.measure(state)

  folder, stem = _OUT.value or _default_out(weights), _stem(step, overrides)
  scores, source = measuring.score_images(state) if isinstance(run.task, ScoresImages) else (None, None)
  if scores is not None:
    rows = [','.join(scores), *(','.join(f'{value:.7g}' for value in row) for row in zip(*scores.values()))]
    atomic_files.write(os.path.join(folder, f'{stem}_images.csv'), '\n'.join(rows).encode() + b'\n')
    highest = scores['index'][np.argsort(-list(scores.values())[-1], kind='stable')[:_SHOWN]]
    images['anomalies'] = plots.image_grid(np.stack([source[int(index)]['image'] for index in highest]))
  for name, image in images.items():
    plots.save_png(os.path.join(folder, f'{name}_{stem}.png'), image)
  report = {
    'step': step,
    'overrides': overrides,
    'metrics': metrics,
    'protocol': protocol,
    'seconds': {name: round(value, 3) for name, value in seconds.items()},
    'versions': provenance.versions(),
    'images_seen': step * options.train.batch_size,
  }
  recorded = {}
  if weights:
    # What else stands beside a run, in run.json and config.json.
    parameters = sum(x.size for network in state.networks.values() for x in jax.tree.leaves(network.params))
    report['weights'] = {'name': weight_metadata.name_of(weights), 'seed': options.seed, 'parameters': parameters}
    report['about'] = provenance.describe()
    recorded = json.loads(weight_metadata.load_metadata(weights).get('metrics', '{}'))
  path = os.path.join(folder, f'{stem}.json')
  atomic_files.write_json(path, report)
  for name, value in sorted(metrics.items()):
    print(f'  {name:28s} {value:.6g}' + (f'  (recorded: {recorded[name]:.6g})' if name in recorded else ''))
  print(f'  protocol: {evaluation.in_words({"seed": options.seed, **protocol})}')
  print('  seconds: ' + ', '.join(f'{name} {value:.3g}' for name, value in seconds.items()))
  print(
    f'written: {path}'
    + (f', {stem}_images.csv' if scores is not None else '')
    + ''.join(f', {name}_{stem}.png' for name in images)
  )


def _without_training(options):
  """The options with batches that a folder of few pictures can fill."""
  import jax

  return dataclasses.replace(
    options, train=dataclasses.replace(options.train, batch_size=jax.device_count(), accumulate=1)
  )


def _default_out(weights):
  return f'{weight_metadata.name_of(weights)}_evaluation' if weights else os.path.join(_WORKDIR.value, 'evaluation')


def _stem(step, overrides):
  """Returns how the files are called that belong to a step and to {field: value} other than the run's own."""
  if not overrides:
    return f'{step:08d}'
  return f'{step:08d}-{hashlib.sha256(json.dumps(overrides, sort_keys=True).encode()).hexdigest()[:8]}'


def console():
  """The command line, as `python -m` and the installed command start it."""
  command.run(main, config_from='workdir')


if __name__ == '__main__':
  console()
