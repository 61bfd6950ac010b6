"""Mistakes on the command line: one sentence, exit status 2, no traceback, answered before JAX starts."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

from absl import flags
import pytest

from deconv import options
from deconv.configs import base
from deconv.errors import UserError
from deconv.experiments import command
from deconv.training.saved_config import load_config
from tests.experiments.run_experiment import ROOT, error_of, run

DIGITS = '--config=configs/dcgan_digits.py'


@pytest.mark.parametrize(
  'arguments, parts',
  [
    ([], ['--config=configs/NAME.py', 'configs/dcgan_digits.py']),
    (['--config=configs/dcgan_digit.py'], ["did you mean 'configs/dcgan_digits.py'"]),
    (['--config=configs/xyzzy.py'], ['no config file', 'configs/dcgan_celeba.py']),
    (['--config=README.md'], ['no Python file']),
    ([DIGITS + ':smoky'], ["no variant 'smoky'", 'smoke']),
    ([DIGITS, '--config.model.widht=3'], ["no field 'model.widht'", "'model.width'"]),
    ([DIGITS, '--config.learning_rate=3'], ["'learning_rate'", "'optimizer.learning_rate'"]),
    ([DIGITS, '--config.xyzzy=3'], ["'xyzzy'", 'deconv/options']),
    ([DIGITS, '--config.model.width=wide'], ['model.width=wide', 'a whole number']),
    ([DIGITS, '--config.train.steps=1e3'], ['a whole number']),
    ([DIGITS, '--config.optimizer.learning_rate=fast'], ['a number']),
    ([DIGITS, '--config.data.flip=perhaps'], ['true or false']),
    ([DIGITS, '--config.data.background=7'], ['red, green, blue']),
    ([DIGITS, '--config.model=dcgan'], ['a section']),
    ([DIGITS, '--config.model.name=dcgam'], ["did you mean 'dcgan'"]),
    ([DIGITS, '--config.optimizer.lr=3'], ["'optimizer.lr'", "did you mean 'optimizer.learning_rate'"]),
    ([DIGITS, '--lr=3'], ["no flag '--lr'", "did you mean '--config.optimizer.learning_rate'"]),
    ([DIGITS, '--batch_size', '3'], ["did you mean '--config.train.batch_size'"]),
    ([DIGITS, '--config.samples.num=100000'], ['samples.num=100000', 'from 1 to 4096']),
    ([DIGITS, '--wrokdir=x'], ["no flag '--wrokdir'", "'--workdir'"]),
    ([DIGITS, 'train'], ["'train' is no flag"]),
    ([DIGITS, '--config.data.workers=0'], ['data.workers=0', 'at least 1']),
    ([DIGITS, f'--config.seed={2**32}'], ['seed=4294967296', '4294967295']),
    ([DIGITS, '--config.samples.gif_fps=0'], ['samples.gif_fps=0']),
    ([DIGITS, '--config.train.ema_decay=2'], ['train.ema_decay=2.0']),
    ([DIGITS, '--config.checkpoint.every=-1'], ['checkpoint.every=-1']),
    ([DIGITS, '--config.train.steps=5', '--config.train.epochs=2'], ['train.steps (now 5)', 'train.epochs (now 2.0)']),
    ([DIGITS, '--config.model.name=unet'], ["model.name is 'unet'"]),
    ([DIGITS, '--config.eval.evaluators=fidd'], ["'fidd'", 'coverage']),
    ([DIGITS, '--config.eval.evaluators=whole_segmentation'], ['PredictsClasses', 'coverage']),
    ([DIGITS, '--distributed=here'], ['ADDRESS:PORT']),
  ],
)
def test_mistake_gets_one_sentence(arguments, parts, tmp_path):
  sentence = error_of(run('main', *arguments, f'--workdir={tmp_path}'))
  for part in parts:
    assert part in sentence


def test_a_wrong_value_is_named_before_a_workdir_of_other_values(tmp_path):
  (tmp_path / 'config.json').write_text('{"data": {"background": [255, 255, 255]}}')
  assert 'red, green, blue' in error_of(run('main', DIGITS, '--config.data.background=7', f'--workdir={tmp_path}'))


BUSY = """
import ctypes, signal
from absl import flags
from experiments import command
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored

def main(options):
  print('ready', flush=True)
  mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
  for _ in range(2):  # the second time waits for ever, in C
    libc.pthread_mutex_lock(mutex)

command.run(main)
"""


def test_ctrl_c_before_there_is_a_run_ends_at_once():
  """Also inside of a library, where Python's KeyboardInterrupt waits, gets lost or crashes."""
  command_line = [sys.executable, '-c', BUSY, DIGITS]
  process = subprocess.Popen(command_line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  try:
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT  # a shell says 130
    assert process.stderr.read() == ''
  finally:
    process.kill()


def test_help_lists_the_flags_and_the_fields():
  finished = run('main', '--help')
  assert finished.returncode == 0 and not finished.stderr
  assert all(finished.stdout.count(f'--{name}:') == 1 for name in ('workdir', 'config', 'distributed'))
  finished = run('main', '--help', DIGITS)
  assert finished.returncode == 0
  assert '--config.train.steps=2500  length of the run in steps' in finished.stdout
  assert '--config.model.width=32  channels of the layer next to the image' in finished.stdout


def test_help_of_a_config_that_is_not_there():
  assert "did you mean 'configs/dcgan_digits.py'" in error_of(run('main', '--help', '--config=configs/dcgan_digit.py'))


@pytest.mark.parametrize(
  'lines, part',
  [
    (
      'import nothing_of_this_name',
      "line 1: ModuleNotFoundError: No module named 'nothing_of_this_name'; mend the file",
    ),
    ('def get_config(:', 'line 1: SyntaxError'),
    ('def get_config(variant=""):\n  return 1 / 0', 'line 2: ZeroDivisionError: division by zero'),
    ('config = {}', 'get_config'),
  ],
)
def test_a_config_file_that_cannot_be_run_gets_one_sentence(lines, part, tmp_path):
  (tmp_path / 'mine.py').write_text(lines)
  sentence = error_of(run('main', f'--config={tmp_path}/mine.py'))
  assert part in sentence and f'{tmp_path}/mine.py' in sentence


def test_the_configs_of_another_project_come_first(tmp_path):
  """Python looks into the folder of the call before it looks into ours."""
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs' / '__init__.py').write_text('')
  (tmp_path / 'configs' / 'theirs.py').write_text('import os\nfrom configs import base\n')
  call = dict(cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT)}, capture_output=True, text=True, timeout=300)
  command_line = [sys.executable, '-m', 'experiments.main', '--config=configs/theirs.py']
  sentence = error_of(subprocess.run(command_line, check=False, **call))
  assert "'configs/theirs.py', line 2: ImportError" in sentence
  advice = "write 'from deconv.configs import' in place of 'from configs import'"
  assert sentence.endswith(advice)
  file = tmp_path / 'configs' / 'theirs.py'
  file.write_text(file.read_text().replace('from configs', 'from deconv.configs'))
  assert 'get_config' in error_of(subprocess.run(command_line, check=False, **call))  # the import works


def test_help_in_ascii(tmp_path):
  (tmp_path / 'é.py').write_text((ROOT / 'configs' / 'dcgan_digits.py').read_text())
  finished = run('main', '--help', f'--config={tmp_path}/é.py', env={'PYTHONIOENCODING': 'ascii'})
  assert finished.returncode == 0 and f'Fields of {tmp_path}/?.py' in finished.stdout


PRINTING = """
import sys
from absl import app, logging
from deconv.experiments import command
def main(options):
  print('0.75 ± 0.01, – and … and 3×3: é')
  logging.info('a line of another library')
  logging.warning('of %s: %s', 'another', 'é')
command.run(main)
"""


def test_letters_that_the_terminal_has_not_end_nothing_and_the_log_has_no_prefix(tmp_path):
  (tmp_path / 'printing.py').write_text(PRINTING)
  finished = subprocess.run(
    [sys.executable, tmp_path / 'printing.py', DIGITS],
    cwd=ROOT,
    env={**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONIOENCODING': 'ascii'},
    capture_output=True,
    timeout=300,
    check=False,
  )
  assert finished.stdout == b'0.75 +- 0.01, - and ... and 3x3: ?\n' and finished.returncode == 0
  assert finished.stderr == b'warning: of another: ?\n'


def test_nearest():
  fields = options.fields_of('gan', 'dcgan')
  assert command.nearest_field('train.batchsize', fields) == 'train.batch_size'
  assert command.nearest_field('batch_sizes', fields).endswith('batch_size')
  assert command.nearest_field('qqqq', fields) is None


def test_config_survives_its_json(tmp_path):
  """Tuples come back as tuples, so that a resumed run compares equal."""
  config = base.get_config()
  with config.unlocked():
    config.data.background = (1, 2, 3)
  (tmp_path / 'config.json').write_text(config.to_json_best_effort())
  loaded = load_config(str(tmp_path))
  assert loaded == options.Experiment.from_config(config) and loaded.data.background == (1, 2, 3)


@pytest.mark.parametrize('module', ['evaluate', 'sample'])
@pytest.mark.parametrize(
  'content, part',
  [
    (None, 'there is no run'),
    ('{"seed": ', 'cannot be read'),
    ('{"task": "gan", "model": {"name": "nope"}}', 'does not fit'),
  ],
)
def test_workdir_without_a_run(tmp_path, module, content, part):
  if content is not None:
    (tmp_path / 'config.json').write_text(content)
  assert part in error_of(run(module, f'--workdir={tmp_path}'))


def test_unknown_model_field_in_a_config_file_fails_at_once(tmp_path):
  path = tmp_path / 'typo.py'
  path.write_text(
    'from deconv.configs import base\n\ndef get_config(variant=""):\n  config = base.get_config()\n'
    '  config.model.widht = 3\n  return base.finish(config, variant)\n'
  )
  assert 'widht' in error_of(run('main', f'--config={path}'))


@pytest.mark.parametrize('name', ['dcgan_digits', 'dcgan_digits:smoke', 'configs/dcgan_digits.py', 'dcgan_digits.py'])
def test_shipped_configs_are_found_from_any_folder(name, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'dcgan_digits').mkdir()  # a run of that name is no config
  config = command._load_file(name)
  assert config.data.source == 'digits' and config.train.steps == (4 if name.endswith(':smoke') else 2500)
  assert command.load_module('segmentation_decoders', '', 'configs/sweeps').SWEEP['seeds'] == (0, 1, 2)


def test_a_file_of_the_user_goes_before_a_shipped_one(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'dcgan_digits.py').write_text(
    'from deconv.configs import base, dcgan_digits\n\ndef get_config(variant=""):\n'
    '  config = dcgan_digits.get_config()\n  config.train.steps = 7\n  return base.finish(config, variant)\n'
  )
  assert command._load_file('dcgan_digits.py').train.steps == 7
  assert command._load_file('dcgan_digits').train.steps == 2500
  assert command._load_file('configs/dcgan_digits.py').train.steps == 2500


def apply(file, *overrides):
  """The experiment of a config file with overrides, as the command line makes it."""
  config = command._load_file(f'configs/{file}.py')
  return command._with_overrides(config, ['', *overrides], flags.FlagValues())[1]


@pytest.mark.parametrize(
  'words, expected',
  [
    (['--config.data.flip'], True),
    (['--config.data.flip=true'], True),
    (['--noconfig.data.flip'], False),
    (['--config.data.flip=0'], False),
    (['--config.data.flip=Yes'], True),
  ],
)
def test_flags_of_yes_and_no(words, expected):
  assert apply('dcgan_digits', *words).data.flip is expected


def test_both_spellings_and_every_type():
  experiment = apply(
    'unet_scenes',
    '--config.train.batch_size',
    '4',
    '--config.optimizer.learning_rate=1',
    "--config.eval.scales='(1, 0.5)'".replace("'", ''),
    '--config.data.path=a b',
    '--config.seed=3',
  )
  assert experiment.train.batch_size == 4 and experiment.seed == 3
  assert experiment.optimizer.learning_rate == 1.0 and isinstance(experiment.optimizer.learning_rate, float)
  assert experiment.eval.scales == (1.0, 0.5) and experiment.data.path == 'a b'


def test_who_sets_the_steps_means_it():
  """A config that counts epochs, and the other way round; both on the command line are an error."""
  assert apply('vae_digits').train.epochs == 60
  assert (
    apply('vae_digits', '--config.train.steps=2').train
    == apply('vae_digits', '--config.train.steps=2', '--config.train.epochs=0').train
  )
  assert apply('unet_scenes', '--config.train.epochs=2').train.steps == 0
  with pytest.raises(UserError, match='set one of'):
    apply('unet_scenes', '--config.train.epochs=2', '--config.train.steps=2')


def test_another_network_is_that_network():
  """ESPCN enlarges by sub-pixels, DC-IGN by its unpooling, whatever the config's own network did."""
  assert apply('superres_photos', '--config.model.name=espcn').model.upsample == 'subpixel'
  assert apply('vae_digits', '--config.model.name=dcign').model.upsample == 'resize_nearest'
  chosen = apply('superres_photos', '--config.model.name', 'espcn', '--config.model.upsample=deconv')
  assert chosen.model.upsample == 'deconv'


def test_json_of_a_config_holds_every_field():
  assert set(json.loads(base.get_config().to_json_best_effort())) == set(base.get_config())


@pytest.mark.parametrize(
  'file, wrong, sentence, right',
  [
    ('dcgan_digits', ['train.steps=5', 'train.epochs=2'], 'set one of', ['train.epochs=0']),
    ('dcgan_digits', ['optimizer.schedule=step'], 'set it above 0', ['optimizer.decay_steps=10']),
    ('dcgan_digits', ['optimizer.weight_decay=0.1'], 'only with adamw', ['optimizer.name=adamw']),
    ('dcgan_digits', ['parallel.batch_norm=local'], "parallel.mode='pmap'", ['parallel.mode=pmap']),
    ('dcgan_digits', ['eval.evaluators=coverage,coverage'], 'leave one out', ['eval.evaluators=coverage']),
    ('dcgan_digits', ['eval.scales=(1, 0.5)'], r'leave it at \(1.0,\)', ['eval.scales=(1.0,)']),
    ('dcgan_folder', ['data.crop=9', 'data.fit=pad'], 'leave one of the two out', ['data.crop=0']),
    ('superres_photos', ['degrade.scale=1'], 'a model such as rednet', ['model.name=rednet']),
    ('superres_photos', ['degrade.hole_share=0.5'], 'leave it at 0.25', ['degrade.hole_share=0.25']),
    ('inpaint_digits', ['degrade.scale=2'], 'choose another model', ['degrade.scale=1']),
    ('unet_scenes', ['model.name=fcn'], 'objective.deep_supervision=0', ['objective.deep_supervision=0']),
    ('unet_scenes', ['model.padding=valid'], 'objective.deep_supervision=0', ['objective.deep_supervision=0']),
    ('unet_scenes', ['data.class_names=()'], '2 to 255 classes', ["data.class_names=('a', 'b')"]),
    ('vae_mnist', ['objective.likelihood=gaussian_fixed'], 'binarization to grey', ['objective.binarization=grey']),
    (
      'beta_vae_shapes',
      ['objective.name=beta_tc', 'objective.tc_sampling=stratified'],
      'set objective.dataset_size',
      ['objective.dataset_size=9'],
    ),
    ('dcign_scenes', ['data.vary=()'], r'such as \(1, 1, 1, 10\)', ['data.vary=(1, 1, 1, 10)']),
  ],
)
def test_advice_that_is_followed_works(file, wrong, sentence, right):
  flags_of = lambda overrides: [f'--config.{override}' for override in overrides]
  with pytest.raises(UserError, match=sentence):
    apply(file, *flags_of(wrong))
  apply(file, *flags_of(wrong), *flags_of(right))


def test_what_threads_of_a_failed_write_say_is_not_shown(monkeypatch):
  shown = []
  monkeypatch.setattr(sys, 'unraisablehook', shown.append)
  command._quiet()
  lost = SimpleNamespace(exc_value=RuntimeError('Event loop is closed'))
  other = SimpleNamespace(exc_value=RuntimeError('else'))
  sys.unraisablehook(lost)
  sys.unraisablehook(other)
  assert shown == [other]
