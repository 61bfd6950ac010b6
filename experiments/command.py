"""What the entry points share: flags in, one sentence and exit status 2 out when the user has made a mistake."""

import codecs
import importlib.metadata
import importlib.util
import io
import logging as python_logging
import os
import signal
import sys
import textwrap
import traceback

from absl import app, flags, logging
import ml_collections

import deconv
from deconv import host_memory
from deconv.errors import UserError, nearest
from deconv.options import Experiment, fields_of, set_model
from deconv.options.options import documentation, needs, parse
from deconv.options.other_names import known_field, nearest_field
from deconv.training import config_diff, weight_metadata
from deconv.training.saved_config import load_config

# Where our files are, configs/ and experiments/ too.
_DECONV = os.path.dirname(os.path.abspath(deconv.__file__))
# How help is asked for.
_HELP = {'--help', '-h', '-help', '--helpfull', '--helpshort'}


def run(main, config_from='file'):
  """Parses the command line, calls `main(options)` and turns a `UserError` into a sentence and exit status 2.

  Args:
    main: called with the checked deconv.options.Experiment; the docstring of its module begins `--help`.
    config_from: 'file' for `--config=FILE.py[:VARIANT]`, 'workdir' for the `config.json` in `--workdir` (or what is in
      `--weights`, where the entry point has this flag). Both accept
      `--config.section.field=value`.
  """
  experiments = []

  def parse_flags(argv):
    _quiet()
    if config_from == 'file':
      flags.DEFINE_string(
        'config',
        None,
        'the experiment: a file, or NAME of a shipped configs/NAME.py, then [:VARIANT]; '
        'any of its fields: --config.section.field=value',
      )
    with one_sentence():
      if _HELP & set(argv):
        words = [word for word in argv if word not in _HELP]
        print(_help(sys.modules[main.__module__].__doc__, words, config_from))
        sys.exit(0)
      config = (_config_of_file if config_from == 'file' else _config_of_workdir)(argv)
      rest, experiment = _with_overrides(config, argv, flags.FLAGS)
      experiments.append(experiment)
      return rest

  def call(argv):
    with one_sentence():
      if len(argv) > 1:
        raise UserError(f"'{argv[1]}' is no flag: write --name=value, and see --help")
      _prepare_environment()
      _end_at_ctrl_c()
      main(experiments[0])

  app.run(call, flags_parser=parse_flags)


def define_path(name, default, meaning):
  """Defines a flag that names a file or folder; a leading ~ is the user's home."""
  return flags.DEFINE(_PathParser(), name, default, meaning)


class _PathParser(flags.ArgumentParser):
  def parse(self, argument):
    return os.path.expanduser(argument)


def _help(purpose, argv, config_from):
  """Returns what an entry point is for, its flags and, with --config or --workdir, the fields of that config."""
  parts = [purpose, 'Flags:']
  for module, defined in sorted(flags.FLAGS.flags_by_module_dict().items()):
    parts += [f'  --{flag.name}: {flag.help}' for flag in defined if not module.startswith('absl.')]
  (given,) = _peek(argv, 'config' if config_from == 'file' else 'workdir')
  if not given:
    which = 'config' if config_from == 'file' else 'workdir'
    parts.append(f'  --config.SECTION.FIELD: any field; for a list add --{which}=... to --help')
    return '\n'.join(parts)
  config = (_config_of_file if config_from == 'file' else _config_of_workdir)(argv)
  values = config_diff.flatten(config.to_dict())
  parts.append(f'\nFields of {given}, and what they are set to there:')
  for name, (_, _, options) in fields_of(config.task, config.model.name).items():
    meaning = documentation(options)[name.rsplit('.', 1)[-1]]
    parts.append(
      textwrap.fill(
        f'--config.{name}={values[name]}  {meaning}',
        100,
        initial_indent='  ',
        subsequent_indent='      ',
        break_on_hyphens=False,
      )
    )
  return '\n'.join(parts)


class one_sentence:
  """Prints a `UserError` as one line on stderr and exits with status 2; a closed pipe or Ctrl-C end quietly.

  From here on a letter that the terminal cannot show becomes one that it can, and ends nothing.
  """

  def __enter__(self):
    for stream in sys.stdout, sys.stderr:
      if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_PLAINER)
    return self

  def __exit__(self, kind, error, where):
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


# What is printed for a letter that the terminal's encoding has not.
_PLAINER = 'deconv.plainer'
_PLAIN = {'±': '+-', '×': 'x', '–': '-', '…': '...'}


def _plainer(error):
  return ''.join(_PLAIN.get(letter, '?') for letter in error.object[error.start : error.end]), error.end


codecs.register_error(_PLAINER, _plainer)


def _fail(sentence):
  sys.stdout.flush()
  print(f'error: {sentence}', file=sys.stderr, flush=True)
  sys.exit(2)


def _quiet():
  """Our lines of the log are shown; libraries that log every checkpoint and every trace only warn."""
  logging.set_verbosity(logging.INFO)
  flags.FLAGS.set_default('logtostderr', True)  # to what is sys.stderr at that time: a progress bar steps in between
  handler = logging.get_absl_handler()
  handler.setFormatter(_Sentence())
  handler.addFilter(
    lambda record: record.levelno >= python_logging.WARNING or record.pathname.startswith(_DECONV + os.sep)
  )
  # What a thread of Orbax meets is told again, by one sentence, when its work is waited for.
  logging.get_absl_logger().addFilter(lambda record: 'orbax' not in record.pathname)
  # Likewise what TensorStore's threads meet whose event loop an earlier failure has ended, as a full disk does.
  shown = sys.unraisablehook

  def show(unraisable):
    if str(unraisable.exc_value) != 'Event loop is closed':
      shown(unraisable)

  sys.unraisablehook = show


class _Sentence(python_logging.Formatter):
  """A line of the log without date, process and file: `warning: ...`."""

  def format(self, record):
    return ('' if record.levelno < python_logging.WARNING else f'{record.levelname.lower()}: ') + super().format(record)


def _prepare_environment():
  # XLA's CPU collectives deadlock when more steps are in flight than its pool has threads; it sizes the pool by NPROC.
  if '--xla_force_host_platform_device_count' in os.environ.get('XLA_FLAGS', ''):
    os.environ.setdefault('NPROC', '32')
  # Before JAX starts its threads, whose allocations it concerns.
  if os.environ.get('JAX_PLATFORMS') == 'cpu' or not _has_accelerator_plugin():
    host_memory.keep_freed_memory()


def _end_at_ctrl_c():
  """Lets Ctrl-C end the process as the system does it, until a run that can be saved handles it.

  Python's KeyboardInterrupt gets lost in a library's callback, crashes JAX where it comes while JAX is imported, and
  waits for the end of a compilation.
  """
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _has_accelerator_plugin():
  return bool(importlib.metadata.entry_points(group='jax_plugins')) or importlib.util.find_spec('libtpu') is not None


def config_name():
  """Returns the name of the run's config file with its variants, such as 'dcgan_celeba-smoke'."""
  path, _, variant = flags.FLAGS['config'].value.partition(':')
  return '-'.join([os.path.splitext(os.path.basename(path))[0]] + [name for name in variant.split(',') if name])


def _config_of_file(argv):
  (file,) = _peek(argv, 'config')
  if not file:
    raise UserError('no experiment: give --config=configs/NAME.py' + _listing())
  return _load_file(file)


def _load_file(name):
  """Returns the config of 'FILE.py:VARIANT' before any override."""
  path, _, variant = name.partition(':')
  module = load_module(path, '--config=configs/NAME.py')
  try:
    config = module.get_config(variant)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(f'--config={name}: {" ".join(str(error).strip(chr(34) + chr(39)).split())}') from error
  except Exception as error:  # whatever the user's own lines raise
    raise UserError(_fault(path, error)) from error
  if not isinstance(config, ml_collections.ConfigDict):
    raise UserError(f"'{path}': get_config(variant) must return a ConfigDict")
  return config


def load_module(path, flag, folder='configs'):
  """Returns the module in a file that the user named.

  Args:
    path: of the file. One of ours is found from any folder, by 'configs/NAME.py' or by NAME.
    flag: how it is given, for the sentence that says so.
    folder: where ours are.

  Raises:
    UserError: no such file, or one that is not Python's.
  """
  shipped = {os.path.splitext(os.path.basename(file))[0]: file for file in _files(folder)}
  name = os.path.splitext(path.removeprefix(f'{folder}/'))[0]
  if not os.path.isfile(path):
    if name not in shipped:
      near = nearest(os.path.basename(name), shipped)
      hint = f"; did you mean '{shipped[near]}'?" if near else _listing(folder)
      raise UserError(f"there is no config file '{path}'{hint}")
    path = os.path.join(_DECONV, shipped[name])
  spec = importlib.util.spec_from_file_location('experiment_config', path)
  if spec is None:
    raise UserError(f"'{path}' is no Python file: give {flag}")
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
  except UserError:
    raise
  except Exception as error:  # whatever the user's own lines raise
    raise UserError(_fault(path, error)) from error
  return module


def _fault(path, error):
  """Returns the sentence about an exception that a user's Python file has raised."""
  if isinstance(error, SyntaxError):
    line = error.lineno
  else:
    lines = [
      frame.lineno
      for frame in traceback.extract_tb(error.__traceback__)
      if os.path.abspath(frame.filename) == os.path.abspath(path)
    ]
    line = lines[-1] if lines else 1
  sentence = f"'{path}', line {line}: {type(error).__name__}: {error}"
  if not isinstance(error, ImportError) or (error.name or '').partition('.')[0] != 'configs':
    return f'{sentence}; mend the file'
  # A package of this name may be another project's, or none.
  return f"{sentence}; write 'from deconv.configs import' in place of 'from configs import'"


def check_fields(file, overrides):
  """Returns the Experiment of a config file and overrides (`--config.a.b=value`).

  Raises:
    UserError: the file is not there, or the overrides do not fit it.
  """
  return _with_overrides(_load_file(file), ['', *overrides], flags.FlagValues())[1]


def _config_of_workdir(argv):
  workdir, weights, step = _peek(argv, 'workdir', 'weights', 'step')
  if weights and 'weights' in flags.FLAGS:
    if workdir:
      raise UserError('--weights takes the place of a run: leave --workdir out')
    if step:
      raise UserError(f'--step={step} is of a run, and --weights are of one step: leave one of the two out')
    return ml_collections.ConfigDict(weight_metadata.load_config(weight_metadata.find(weights)).to_dict())
  if not workdir:
    hint = ', or --weights=NAME' if 'weights' in flags.FLAGS else ''
    raise UserError(f'no run: give --workdir=DIR, the folder that experiments.main wrote{hint}')
  return ml_collections.ConfigDict(load_config(workdir).to_dict())


# Fields as flags. absl reads them; what a text means, and what a field needs, is said by its type in deconv.options.


class _FieldParser(flags.ArgumentParser):
  """Reads the text of one field."""

  def __init__(self, kind, example):
    super().__init__()
    self._kind, self._example = kind, example

  def parse(self, argument):
    try:
      return parse(argument, self._kind)
    except ValueError:
      raise ValueError(f'the field needs {needs(self._kind, self._example)}') from None

  def flag_type(self):
    return str(self._kind)


def _peek(argv, *names):
  """Returns the values of flags that decide which other flags there are; None where one is not given."""
  values = flags.FlagValues()
  values.set_gnu_getopt(True)
  for name in names:
    flags.DEFINE_string(name, None, '', flag_values=values)
  _parse(values, argv, known_only=True)
  return [values[name].value for name in names]


def _with_overrides(config, argv, flag_values):
  """Applies `--config.section.field=value` to a config.

  Args:
    config: ConfigDict.
    argv: the command line.
    flag_values: absl.flags.FlagValues with all other flags that the command line may have.

  Returns:
    (what is left of argv, Experiment).

  Raises:
    UserError: an unknown flag or field, or a value that the field cannot have.
  """
  (model,) = _peek(argv, 'config.model.name')
  if model and model != config.model.name:  # it brings its own fields with it, so that they can be set here too
    set_model(config, model)
  fields = fields_of(config.task, config.model.name)
  for name, (kind, example, _) in fields.items():
    flags.DEFINE_flag(
      flags.Flag(_FieldParser(kind, example), None, f'config.{name}', None, 'see deconv/options', boolean=kind is bool),
      flag_values,
    )
  rest = _parse(flag_values, argv, fields)
  overrides = {name: flag_values[f'config.{name}'].value for name in fields if flag_values[f'config.{name}'].present}
  # Who sets one of the two means it: the other gives way.
  for mine, other, off in (('train.steps', 'train.epochs', 0.0), ('train.epochs', 'train.steps', 0)):
    if overrides.get(mine, 0) > 0 and other not in overrides:
      overrides[other] = off
  changed = config.to_dict()
  for name, value in overrides.items():
    *section, field = name.split('.')
    (changed[section[0]] if section else changed)[field] = value
  experiment = Experiment.from_config(changed)
  experiment.train.check_length()
  return rest, experiment


def _parse(flag_values, argv, fields=(), known_only=False):
  """Parses a command line, and answers a misspelt name with the nearest one."""
  try:
    return flag_values(argv, known_only=known_only)
  except flags.UnrecognizedFlagError as error:
    name = error.flagname.removeprefix('no') if error.flagname.startswith('noconfig.') else error.flagname
    if not name.startswith('config.'):
      near = known_field(name, fields) or nearest(
        name, [flag for flag in flag_values if not flag.startswith('config.')]
      )
      near = near or nearest_field(name, fields)
      near = f'config.{near}' if near in fields else near
      hint = f"; did you mean '--{near}'?" if near else '; see --help'
      raise UserError(f"there is no flag '--{name}'{hint}") from error
    name = name.removeprefix('config.')
    within = [field for field in fields if field.startswith(f'{name}.')]
    if within:
      raise UserError(f'config.{name} is a section: set one of its fields, such as --config.{within[0]}=…') from error
    near = nearest_field(name, fields)
    raise UserError(
      f"the config has no field '{name}'"
      + (f"; did you mean '{near}'?" if near else '; its fields are in deconv/options')
    ) from error
  except flags.IllegalFlagValueError as error:
    raise UserError(str(error).removeprefix('flag ')) from error
  except (flags.Error, TypeError, ValueError) as error:
    raise UserError(f'the command line cannot be read: {error}') from error


def _files(folder):
  """The shipped files of a folder."""
  names = sorted(os.listdir(os.path.join(_DECONV, folder)))
  return [f'{folder}/{name}' for name in names if name.endswith('.py') and name != 'base.py']


def _listing(folder='configs'):
  return f'; there are {", ".join(_files(folder))}'
