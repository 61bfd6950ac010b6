"""What has changed between two configs of one workdir, and whether it changes the experiment."""

import fnmatch
import json

from deconv.options.optimizer import OptimizerOptions
from deconv.options.options import kinds

# Fields that change how a run is watched, stored or fed, but no number that it computes. All others are scientific.
# The images of data.path are compared by their fingerprint, not by where they lie; so are networks by their hash.
OPERATIONAL = (
  'log.*',
  'samples.*',
  'checkpoint.*',
  'eval.every',
  'eval.evaluators',
  'eval.features_path',
  'eval.reference_cache',
  'data.path',
  'data.eval_path',
  'data.workers',
  'data.worker_kind',
  'data.prefetch',
  'data.memory_limit_mb',
  'train.steps_per_call',
  'compilation_cache',
  'cpu_rule',  # the same sums in another order
  'native',
)
# Fields that make a run faster or slower and nothing else.
OF_SPEED = ('data.workers', 'data.worker_kind', 'data.prefetch', 'data.memory_limit_mb', 'compilation_cache')
# Fields that each process of a run may have of its own.
OF_A_MACHINE = ('data.path', 'data.eval_path', *OF_SPEED)
# The length of a run is operational too, unless the learning rates of its steps depend on it.
LENGTH = ('train.steps', 'train.epochs')


def to_plain(options):
  """Returns a deconv.options.Experiment as JSON would read it back: nested dicts, tuples are lists."""
  return json.loads(json.dumps(options.to_dict()))


def flatten(config, prefix=''):
  """Returns {'section.field': value}."""
  flat = {}
  for name, value in config.items():
    flat.update(flatten(value, f'{prefix}{name}.') if isinstance(value, dict) else {f'{prefix}{name}': value})
  return flat


def changed(old, new):
  """Returns {'section.field': value in `new`} of the fields in which two plain configs differ, but for speed."""
  old, new = flatten(old), flatten(new)
  return {
    field: value for field, value in new.items() if field not in OF_SPEED and (field not in old or old[field] != value)
  }


def common(config):
  """Returns {'section.field': value} of a plain config, of the fields that all processes of a run share."""
  return {
    field: value
    for field, value in flatten(config).items()
    if not any(fnmatch.fnmatchcase(field, pattern) for pattern in OF_A_MACHINE)
  }


def scientific_changes(old, new):
  """Returns 'field: old -> new' for every field whose change makes another experiment of it, in alphabetical order.

  Args:
    old: plain dict (`to_plain`), the config of the workdir.
    new: plain dict, the config that is to go on in it.

  A field that only one of them has came or went with a version of deconv, whose defaults keep what was there before.
  """
  optimizers = [config.get('optimizer') for config in (old, new)]
  length_matters = any(
    OptimizerOptions(**fields).depends_on_total
    for fields in optimizers
    if isinstance(fields, dict) and set(fields) <= set(kinds(OptimizerOptions))
  )
  old, new = flatten(old), flatten(new)
  changes = []
  for field in sorted(old.keys() & new.keys()):
    operational = any(fnmatch.fnmatchcase(field, pattern) for pattern in OPERATIONAL)
    operational |= field in LENGTH and not length_matters
    before, after = json.dumps(old[field]), json.dumps(new[field])
    if before != after and not operational:
      changes.append(f'{field}: {before} -> {after}')
  return changes
