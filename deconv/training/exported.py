"""Trained weights in one small file: the network that is evaluated, with its config and its numbers in the metadata.

A file is NAME.safetensors. Its arrays are called params/LAYER/... and batch_stats/LAYER/...; the metadata are texts:
'config' (JSON of deconv.options.Experiment, without paths), 'step', 'metrics' and 'protocol' (JSON), 'versions' (JSON)
and 'data_content', the fingerprint of the training data. The folder FOLDER holds those that come with this library.
"""

import dataclasses
import json
import os

import deconv
from deconv.errors import UserError, did_you_mean
from deconv.options import Experiment
from deconv.options.evaluation import LOOKING

FOLDER = os.path.join(os.path.dirname(os.path.abspath(deconv.__file__)), 'weights')
_ENDING = '.safetensors'
_NETWORK = 'net'  # of the tasks that run on a picture


def names():
  """Returns the names of the weights that come with this library."""
  found = os.listdir(FOLDER) if os.path.isdir(FOLDER) else []
  return sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING))


def find(name):
  """Returns the path of weights, from the name of those that come with this library or from a path.

  Raises:
    UserError: there are none.
  """
  if name.endswith(_ENDING):
    if not os.path.isfile(name):
      raise UserError(f"--weights: there is no file '{name}'")
    return name
  if name not in names():
    raise UserError(
      f"there are no weights '{name}'{did_you_mean(name, names())}; give a FILE{_ENDING} of scripts.export_weights, or "
      f'choose one of: {", ".join(names()) or "none yet"}'
    )
  return os.path.join(FOLDER, name + _ENDING)


def load_metadata(path):
  """Returns {name: text} of a file of weights.

  Raises:
    UserError: it cannot be read, or scripts.export_weights has not written it.
  """
  try:
    from safetensors import SafetensorError, safe_open
  except ImportError as error:
    raise UserError(f"--weights: '{path}' needs the library safetensors: pip install safetensors") from error
  try:
    with safe_open(path, 'numpy') as file:
      metadata = file.metadata() or {}
  except (SafetensorError, OSError) as error:
    raise UserError(f"--weights: '{path}' cannot be read as {_ENDING}: {error}") from error
  if 'config' not in metadata:
    raise UserError(f"--weights: '{path}' does not say which network it is of; give a file of scripts.export_weights")
  return metadata


def load_config(path):
  """Returns the deconv.options.Experiment that weights are of; UserError where it cannot be read."""
  try:
    return Experiment.from_config(json.loads(load_metadata(path)['config']))
  except (UserError, TypeError, ValueError, AttributeError) as error:
    raise UserError(f"--weights: '{path}' does not fit this version of deconv: {error}") from error


def restore(options, path):
  """Reads weights for use, not for training: the optimizer's state is zero.

  Args:
    options: deconv.options.Experiment of the weights.
    path: the file.

  Returns:
    (task, state of host arrays, step).

  Raises:
    UserError: the arrays are not those of the network.
  """
  import jax
  import numpy as np

  from deconv.models import weight_files
  from deconv.training import restore as restoring

  step = int(load_metadata(path).get('step', 0))
  # What the file holds is the average already, where there was one.
  options = dataclasses.replace(options, train=dataclasses.replace(options.train, ema_decay=0.0, ema_start=0))
  task, template = restoring.shapes(options)
  state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
  arrays = weight_files.read(path, '--weights')
  network = state.networks[_NETWORK]
  wanted = {'params': network.params, 'batch_stats': network.batch_stats}
  known = {_name(where): x for where, x in jax.tree_util.tree_leaves_with_path(wanted)}
  for what, more in (('lacks', set(known) - set(arrays)), ('has also', set(arrays) - set(known))):
    if more:
      raise UserError(f"--weights: '{path}' {what} {weight_files.some(sorted(more))}; choose the config that it is of")
  for name, x in known.items():
    if arrays[name].shape != x.shape:
      raise UserError(f"--weights: '{path}' has {name} of shape {arrays[name].shape}, and the network {x.shape}")
  found = jax.tree_util.tree_map_with_path(lambda where, x: arrays[_name(where)].astype(x.dtype), wanted)
  network = network.replace(params=found['params'], batch_stats=found['batch_stats'])
  return task, state.replace(step=np.asarray(step, np.int32), networks={**state.networks, _NETWORK: network}), step


def save(path, options, state, about):
  """Writes the network that is evaluated.

  Args:
    path: FILE.safetensors.
    options: deconv.options.Experiment of the run.
    state: State of host arrays.
    about: {name: what JSON can hold}: what is known of the weights, such as 'metrics' and 'protocol'.

  Raises:
    UserError: a task that does not run on pictures, or another ending.
  """
  import jax
  import numpy as np
  from safetensors.numpy import save as to_bytes

  from deconv import atomic_files

  if _NETWORK not in state.networks:
    raise UserError(f"a run of task '{options.task}' has no network that runs on a picture; give another run")
  if not path.endswith(_ENDING):
    raise UserError(f"'{path}' must end in {_ENDING}")
  variables = state.networks[_NETWORK].evaluated(options.eval.use_ema)
  kept = {name: variables[name] for name in ('params', 'batch_stats')}
  leaves = jax.tree_util.tree_leaves_with_path(kept)
  arrays = {_name(where): np.ascontiguousarray(x, np.float32) for where, x in leaves}
  fields = _without_machine(options).to_dict()
  metadata = {'config': json.dumps(fields), 'step': str(int(state.step))}
  metadata.update({name: json.dumps(value) for name, value in about.items()})
  atomic_files.write(path, to_bytes(arrays, metadata))


def _name(where):
  """The name of an array, from its place in the tree."""
  return '/'.join(key.key for key in where)


def _without_machine(options):
  """The options without the paths and programs of the machine that trained."""
  paths = {'path': '', 'eval_path': '', 'palette': '', 'generated': '', 'generated_per_class': 0}
  evaluators = tuple(name for name in options.eval.evaluators if name not in LOOKING)
  return dataclasses.replace(
    options,
    cpu_rule='',
    native='',
    compilation_cache='auto',
    data=dataclasses.replace(options.data, **paths),
    model=dataclasses.replace(options.model, **dict.fromkeys(type(options.model).PATHS, '')),
    eval=dataclasses.replace(
      options.eval, evaluators=evaluators, features_path='', reference='', reference_cache='auto'
    ),
  )
