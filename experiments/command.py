"""What the entry points share: flags in, one sentence and exit status 2 out when the user has made a mistake."""
import ast
import difflib
import importlib.metadata
import importlib.util
import json
import os
import re
import signal
import sys

from absl import app
from absl import flags
from absl import logging
from ml_collections import config_dict
from ml_collections import config_flags

from deconv.errors import UserError
from deconv.training import config_diff
from deconv.training import host_memory

_OVERRIDE = re.compile(r'^--?(?:no)?config\.([\w.\[\]]+)(?:=(.*))?$', re.DOTALL)
_FILE = re.compile(r'^--?config(?:=(.*))?$', re.DOTALL)
_MODEL = re.compile(r'^--?config\.model\.name(?:=(.*))?$', re.DOTALL)
_WORKDIR = re.compile(r'^--?workdir(?:=(.*))?$', re.DOTALL)


def run(main, config_from='file'):
  """Parses the command line, calls `main(config)` and turns a `UserError` into a sentence and exit status 2.

  Args:
    main: called with the locked config.
    config_from: 'file' for `--config=FILE.py[:VARIANT]`, 'workdir' for the `config.json` in `--workdir`. Both accept
      `--config.section.field=value`.
  """
  configs = []

  def parse(argv):
    _quiet()
    if {'--help', '-h', '-help', '--helpfull', '--helpshort'} & set(argv):
      return flags.FLAGS(argv)
    with one_sentence():
      config, rest = (_config_of_file if config_from == 'file' else _config_of_workdir)(list(argv))
      configs.append(config)
      return rest

  def call(argv):
    with one_sentence():
      if len(argv) > 1:
        raise UserError(f"'{argv[1]}' is no flag: write --name=value, and see --help")
      _prepare_environment()
      main(configs[0])

  app.run(call, flags_parser=parse)


class one_sentence:
  """Prints a `UserError` as one line on stderr and exits with status 2; a closed pipe or Ctrl-C end quietly."""

  def __enter__(self):
    return self

  def __exit__(self, kind, error, traceback):
    if kind is None:
      return False
    if issubclass(kind, UserError):
      _fail(' '.join(str(error).split()))
    if issubclass(kind, KeyboardInterrupt):  # before the loop can save: nothing has been written yet
      print('interrupted', file=sys.stderr)
      sys.exit(128 + signal.SIGINT)
    if issubclass(kind, BrokenPipeError):
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
      sys.exit(1)
    return False


def _fail(sentence):
  sys.stdout.flush()
  print(f'error: {sentence}', file=sys.stderr, flush=True)
  sys.exit(2)


def _quiet():
  """Warnings of ours are shown; libraries that log every checkpoint and every trace are not."""
  logging.set_verbosity(logging.WARNING)
  logging.set_stderrthreshold('warning')


def _prepare_environment():
  # XLA's CPU collectives deadlock when more steps are in flight than its pool has threads; it sizes the pool by NPROC.
  if '--xla_force_host_platform_device_count' in os.environ.get('XLA_FLAGS', ''):
    os.environ.setdefault('NPROC', '32')
  # Before JAX starts its threads, whose allocations it concerns.
  if os.environ.get('JAX_PLATFORMS') == 'cpu' or not _has_accelerator_plugin():
    host_memory.keep_freed_memory()


def _has_accelerator_plugin():
  return bool(importlib.metadata.entry_points(group='jax_plugins')) or importlib.util.find_spec('libtpu') is not None


def config_name():
  """Returns the name of the run's config file with its variants, such as 'dcgan_celeba-smoke'."""
  path, _, variant = _FILES[-1].partition(':')
  return '-'.join([os.path.splitext(os.path.basename(path))[0]] + [name for name in variant.split(',') if name])


_FILES = []  # the values of --config, which absl does not see


def _config_of_file(argv):
  files = _values(argv, _FILE)
  if not files:
    raise UserError('no experiment: give --config=configs/NAME.py' + _listing())
  _FILES.append(files[-1])
  return _with_overrides(_load_file(files[-1]), argv[:1] + _without(argv[1:], _FILE))


def _load_file(name):
  """Returns the config of 'FILE.py:VARIANT' before any override."""
  path, _, variant = name.partition(':')
  module = load_module(path, '--config=configs/NAME.py')
  try:
    config = module.get_config(variant)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(f"--config={name}: {' '.join(str(error).strip(chr(34) + chr(39)).split())}") from error
  if not isinstance(config, config_dict.ConfigDict):
    raise UserError(f"'{path}': get_config(variant) must return a ConfigDict")
  return config


def load_module(path, flag, folder='configs'):
  """Returns the module in a file that the user named.

  Args:
    path: of the file.
    flag: how it is given, for the sentence that says so.
    folder: where such files are.

  Raises:
    UserError: no such file, or one that is not Python's.
  """
  if not os.path.isfile(path):
    names = {os.path.basename(file): file for file in _files(folder)}
    near = [names[name] for name in difflib.get_close_matches(os.path.basename(path), names, 1, 0.6)]
    hint = f"; did you mean '{near[0]}'?" if near else _listing(folder)
    raise UserError(f"there is no config file '{path}'{hint}")
  spec = importlib.util.spec_from_file_location('experiment_config', path)
  if spec is None:
    raise UserError(f"'{path}' is no Python file: give {flag}")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def check_fields(file, overrides):
  """Raises UserError if a config file is not there, or the overrides (`--config.a.b=value`) do not fit it."""
  config = _load_file(file)
  _set_model(config, overrides)
  _check_overrides(overrides, config)


def _config_of_workdir(argv):
  folders = _values(argv, _WORKDIR)
  if not folders:
    raise UserError('no run: give --workdir=DIR, the folder that experiments.main wrote')
  return _with_overrides(load_config(folders[-1]), argv)


def _with_overrides(config, argv):
  _set_model(config, argv)
  _check_overrides(argv, config)
  sys.argv = argv  # where ml_collections looks for the overrides
  holder = config_flags.DEFINE_config_dict('config', config, '--config.a.b=value sets any field')
  rest = _parse(argv)
  return holder.value, rest


def _set_model(config, argv):
  """Another `model.name` on the command line brings its own fields with it, so that they can be set there too."""
  from configs import base
  names = _values(argv, _MODEL)
  if names and names[-1] != config.model.name:
    if names[-1] not in base.MODELS:
      near = difflib.get_close_matches(names[-1], base.MODELS, 1, 0.6)
      raise UserError(f"there is no model '{names[-1]}'" + (f"; did you mean '{near[0]}'?" if near else
                                                           f"; there are {', '.join(base.MODELS)}"))
    base.set_model(config, names[-1])


def load_config(workdir):
  """Returns the config of a run from its `config.json`, with the types of `configs/base.py` restored."""
  from configs import base
  path = os.path.join(workdir, 'config.json')
  try:
    with open(path, encoding='utf-8') as file:
      fields = json.load(file)
  except FileNotFoundError:
    raise UserError(f"there is no run in '{workdir}': config.json is missing; give the --workdir of a run") from None
  except (OSError, json.JSONDecodeError) as error:
    raise UserError(
        f"'{path}' cannot be read ({error}); copy it from a backup or start the run in a new folder") from error
  try:
    config = base.get_config(model=fields['model']['name'], task=fields['task'])
    config.update(fields)
  except (KeyError, TypeError, AttributeError) as error:
    raise UserError(f"'{path}' does not fit this version of deconv: {error}") from error
  return config


def _parse(argv):
  try:
    return flags.FLAGS(argv)
  except flags.UnrecognizedFlagError as error:
    near = difflib.get_close_matches(error.flagname, list(flags.FLAGS), 1, 0.6)
    raise UserError(f"there is no flag '--{error.flagname}'" + (f"; did you mean '--{near[0]}'?" if near else
                                                               '; see --help')) from error
  except (flags.Error, TypeError, ValueError) as error:
    raise UserError(f'the command line cannot be read: {error}') from error


def _values(argv, pattern):
  """The values of a flag in argv, in both spellings: `--name=value` and `--name value`."""
  values = []
  for position, word in enumerate(argv):
    found = pattern.match(word)
    if found and found.group(1) is not None:
      values.append(found.group(1))
    elif found and position + 1 < len(argv):
      values.append(argv[position + 1])
  return values


def _without(argv, pattern):
  words, skip = [], False
  for word in argv:
    found = pattern.match(word)
    if skip:
      skip = False
    elif found:
      skip = found.group(1) is None
    else:
      words.append(word)
  return words


def _check_overrides(argv, config):
  """Names the field and its nearest neighbour, or the type that it needs, before absl fails on it."""
  fields = config_diff.flatten(config.to_dict())
  for position, word in enumerate(argv):
    found = _OVERRIDE.match(word)
    if not found:
      continue
    name, value = found.groups()
    if name not in fields:
      sections = [field for field in fields if field.startswith(name + '.')]
      if sections:
        raise UserError(f"config.{name} is a section: set one of its fields, such as --config.{sections[0]}=…")
      near = nearest(name, fields)
      raise UserError(f"the config has no field '{name}'" + (f"; did you mean '{near}'?" if near else
                                                             f"; its fields are in configs/base.py"))
    if value is None and not isinstance(fields[name], bool):
      value = argv[position + 1] if position + 1 < len(argv) else ''
    _check_type(name, value, fields[name])


def _check_type(name, value, default):
  if isinstance(default, bool):
    good, need = value is None or value.lower() in ('true', 'false', '1', '0', 'yes', 'no'), 'true or false'
  elif isinstance(default, int):
    good, need = _is_literal(value, (int,)), f'a whole number, such as {default}'
  elif isinstance(default, float):
    good, need = _is_literal(value, (int, float)), f'a number, such as {default}'
  elif isinstance(default, tuple):
    good = _is_tuple(value, default)
    need = f"values in parentheses, such as '{default}'" if default else "values in parentheses, such as '(1, 2)'"
  else:
    return
  if not good:
    raise UserError(f"--config.{name}={value}: the field needs {need}")


def _is_literal(text, kinds):
  for kind in kinds:
    try:
      kind(text)
      return True
    except ValueError:
      pass
  return False


def _is_tuple(text, default):
  """Whether the text is a tuple (or one value) of the types in `default`; how many there are is for others to check."""
  try:
    values = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return False
  values = values if isinstance(values, (tuple, list)) else (values,)
  kinds = tuple({type(item) for item in default} | ({int} if any(isinstance(x, float) for x in default) else set()))
  return all(isinstance(value, kinds or (int, float, str)) for value in values)


def nearest(name, fields):
  """Returns the field whose dotted name, or last part, is nearest to `name`, or None."""
  near = difflib.get_close_matches(name, list(fields), 1, 0.6)
  if near:
    return near[0]
  last = {field.rsplit('.', 1)[-1]: field for field in fields}
  near = difflib.get_close_matches(name.rsplit('.', 1)[-1], list(last), 1, 0.7)
  return last[near[0]] if near else None


def _files(folder):
  try:
    return sorted(f'{folder}/{name}' for name in os.listdir(folder) if name.endswith('.py') and name != 'base.py')
  except OSError:
    return []


def _listing(folder='configs'):
  names = _files(folder)
  return f"; there are {', '.join(names)}" if names else f'; run from the folder that holds {folder}/'
