"""Trained weights in one small file: the network that is evaluated, with its config and its numbers in the metadata.

The arrays are called params/LAYER/... and batch_stats/LAYER/...; the metadata are texts: 'config' (JSON of
deconv.options.Experiment, without paths), 'step', 'metrics' and 'protocol' (JSON), 'versions' (JSON) and
'data_content', the fingerprint of the training data. What can be said without JAX is in weight_metadata.
"""

import dataclasses
import json

import jax
import numpy as np

from deconv import atomic_files
from deconv.errors import UserError
from deconv.models import weight_files
from deconv.options.evaluation import LOOKING
from deconv.training import restore as restoring
from deconv.training.weight_metadata import ENDING, load_metadata

_NETWORK = 'net'  # of the tasks that run on a picture


def restore(options, path, task=None):
  """Reads weights for use, not for training: the optimizer's state is zero.

  Args:
    options: deconv.options.Experiment of the weights.
    path: the file.
    task: as for deconv.training.restore.restore.

  Returns:
    (task, state of host arrays, step).

  Raises:
    UserError: the arrays are not those of the network.
  """
  step = int(load_metadata(path).get('step', 0))
  task, template = restoring.shapes(options, task)
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
  # What the file holds is the average already, where there was one.
  network = network.replace(**found, ema=None if network.ema is None else found)
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
  from safetensors.numpy import save as to_bytes

  if _NETWORK not in state.networks:
    raise UserError(f"a run of task '{options.task}' has no network that runs on a picture; give another run")
  if not path.endswith(ENDING):
    raise UserError(f"'{path}' must end in {ENDING}")
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
