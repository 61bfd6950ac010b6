"""Where every config file starts, what variants are, and what `:smoke` means.

A config file calls `get_config(model=...)`, sets what differs, and ends with `finish(config, variant, ...)`. The
fields, their defaults and what they mean stand in deconv/options/. Lists are tuples, because command-line overrides of
lists do not exist: `--config.data.background='(0, 0, 0)'`.
"""

import ml_collections

from deconv import options


def get_config(model='dcgan', task='gan'):
  """Returns the default config of one model under one task; locked, so that a misspelt field fails at once.

  Raises:
    UserError: no such task, or no such model for it.
  """
  return ml_collections.ConfigDict(options.defaults(task, model)).lock()


set_model = options.set_model  # config files find it here


# Overrides that make any experiment end in seconds on two cores; finish() applies them to ':smoke'.
_SMOKE = {
  'train.batch_size': 8,
  'train.epochs': 0.0,
  'train.steps': 4,
  'train.steps_per_call': 1,
  'checkpoint.every': 2,
  'eval.every': 0,
  'eval.batch_size': 8,
  'eval.num_samples': 16,
  'eval.interim_samples': 0,
  'samples.every': 2,
  'samples.every_epochs': 0.0,
  'samples.num': 4,
  'log.every': 1,
  'data.workers': 1,
  'data.memory_limit_mb': 64,
}


def finish(config, variant='', variants=None, smoke=None):
  """Applies the variants named after the colon of `--config=FILE.py:VARIANT` and returns the config.

  Args:
    config: what the config file has set.
    variant: comma-separated names; '' for none. 'smoke' exists everywhere and is applied last.
    variants: {name: {'section.field': value}} of this config file.
    smoke: this config's own smoke overrides, on top of the common ones.

  Raises:
    ValueError: a name that this config does not have.
  """
  unused = options.TASKS[config.task].eval.EFFECT
  common = {field: value for field, value in _SMOKE.items() if field.removeprefix('eval.') not in unused}
  variants = dict(variants or {}, smoke={**common, **(smoke or {})})
  names = [name for name in variant.split(',') if name]
  for name in sorted(names, key=lambda name: name == 'smoke'):
    if name not in variants:
      raise ValueError(f"no variant '{name}' in this config; it has: {', '.join(sorted(variants))}")
    config.update_from_flattened_dict(variants[name])
  return config
