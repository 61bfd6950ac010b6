"""Mistakes on the command line: one sentence, exit status 2, no traceback, answered before JAX starts."""
import json

import pytest

from configs import base
from deconv.training import config_diff
from experiments import command
from tests.experiments.run_experiment import error_of, run

DIGITS = '--config=configs/dcgan_digits.py'


@pytest.mark.parametrize('arguments, parts', [
    ([], ['--config=configs/NAME.py', 'configs/dcgan_digits.py']),
    (['--config=configs/dcgan_digit.py'], ["did you mean 'configs/dcgan_digits.py'"]),
    (['--config=configs/xyzzy.py'], ['no config file', 'configs/dcgan_celeba.py']),
    (['--config=README.md'], ['no Python file']),
    ([DIGITS + ':smoky'], ["no variant 'smoky'", 'smoke']),
    ([DIGITS, '--config.model.widht=3'], ["no field 'model.widht'", "'model.width'"]),
    ([DIGITS, '--config.learning_rate=3'], ["'learning_rate'", "'optimizer.learning_rate'"]),
    ([DIGITS, '--config.xyzzy=3'], ["'xyzzy'", 'configs/base.py']),
    ([DIGITS, '--config.model.width=wide'], ['model.width=wide', 'a whole number']),
    ([DIGITS, '--config.train.steps=1e3'], ['a whole number']),
    ([DIGITS, '--config.optimizer.learning_rate=fast'], ['a number']),
    ([DIGITS, '--config.data.flip=perhaps'], ['true or false']),
    ([DIGITS, '--config.data.background=7'], ['red, green, blue']),
    ([DIGITS, '--config.model=dcgan'], ['a section']),
    ([DIGITS, '--config.model.name=dcgam'], ["did you mean 'dcgan'"]),
    ([DIGITS, '--wrokdir=x'], ["no flag '--wrokdir'", "'--workdir'"]),
    ([DIGITS, 'train'], ["'train' is no flag"]),
    ([DIGITS, '--distributed=here'], ['ADDRESS:PORT']),
])
def test_mistake_gets_one_sentence(arguments, parts, tmp_path):
  sentence = error_of(run('main', *arguments, f'--workdir={tmp_path}'))
  for part in parts:
    assert part in sentence


def test_a_wrong_value_is_named_before_a_workdir_of_other_values(tmp_path):
  (tmp_path / 'config.json').write_text('{"data": {"background": [255, 255, 255]}}')
  assert 'red, green, blue' in error_of(run('main', DIGITS, '--config.data.background=7', f'--workdir={tmp_path}'))


def test_help_lists_the_flags():
  finished = run('main', '--help')
  assert '--workdir' in finished.stdout and 'Traceback' not in finished.stderr


def test_nearest():
  fields = config_diff.flatten(base.get_config().to_dict())
  assert fields['model.width'] == 128 and fields['seed'] == 0
  assert command.nearest('train.batchsize', fields) == 'train.batch_size'
  assert command.nearest('batch_sizes', fields).endswith('batch_size')
  assert command.nearest('qqqq', fields) is None


def test_config_survives_its_json(tmp_path):
  """Tuples come back as tuples, so that a resumed run compares equal."""
  config = base.get_config()
  with config.unlocked():
    config.data.background = (1, 2, 3)
  (tmp_path / 'config.json').write_text(config.to_json_best_effort())
  loaded = command.load_config(str(tmp_path))
  assert loaded == config and loaded.data.background == (1, 2, 3)


@pytest.mark.parametrize('module', ['evaluate', 'sample'])
@pytest.mark.parametrize('content, part', [(None, 'there is no run'), ('{"seed": ', 'cannot be read'),
                                           ('{"task": "gan", "model": {"name": "nope"}}', 'does not fit')])
def test_workdir_without_a_run(tmp_path, module, content, part):
  if content is not None:
    (tmp_path / 'config.json').write_text(content)
  assert part in error_of(run(module, f'--workdir={tmp_path}'))


def test_unknown_model_field_in_a_config_file_fails_at_once(tmp_path):
  path = tmp_path / 'typo.py'
  path.write_text('from configs import base\n\ndef get_config(variant=""):\n  config = base.get_config()\n'
                  '  config.model.widht = 3\n  return base.finish(config, variant)\n')
  assert 'widht' in error_of(run('main', f'--config={path}'))


def test_json_of_a_config_holds_every_field():
  assert set(json.loads(base.get_config().to_json_best_effort())) == set(base.get_config())
