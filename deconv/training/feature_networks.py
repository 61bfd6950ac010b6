"""The feature network of `eval.features`, made of a file of weights or of a trained run."""

import dataclasses
import os

import numpy as np

from deconv.errors import UserError
from deconv.metrics import features
from deconv.tasks.capabilities import Classifies
from deconv.training import restore
from deconv.training.saved_config import load_config


def open_network(options):
  """Returns the deconv.metrics.features.FeatureNetwork that evaluators look through.

  Args:
    options: deconv.options.Experiment of the run that is measured; a classifier is computed as that run is.

  Raises:
    UserError: no such file or run, a file of other weights, or a run of another task.
  """
  judging = options.eval
  kind, _, folder = judging.features.partition(':')
  if kind == 'pixels':
    return features.pixels()
  if kind == 'inception':
    return features.fid_inception(judging.features_path, judging.resizer)
  return _of_run(kind, os.path.expanduser(folder) or judging.features_path, options)


def _of_run(name, folder, options):
  if not os.path.isfile(os.path.join(folder, 'config.json')):
    raise UserError(
      f"eval.features={name}: there is no run in '{folder}'; train a classifier there, such as configs/cnn_mnist.py"
    )
  experiment = load_config(folder)
  # Which programs are compiled is set for the whole process, and the run has set it.
  experiment = dataclasses.replace(experiment, cpu_rule=options.cpu_rule, native=options.native)
  task, state, step = restore.restore(experiment, folder)
  if not isinstance(task, Classifies):
    raise UserError(
      f"eval.features={name}: '{folder}' is a run of task '{experiment.task}'; give one of task 'classification'"
    )
  networks = {key: net.evaluated(experiment.eval.use_ema) for key, net in state.networks.items()}
  return features.of_classifier(
    name,
    lambda images: task.outputs(state, np.ascontiguousarray(images)),
    experiment.data.image_shape,
    features.hash_of(networks),
    options.eval.resizer,
    {'network_step': step, 'network_data': experiment.data.source},
  )
