"""The feature network of a field: of a trained classifier, of a folder without one."""

import dataclasses
import json
import os

import numpy as np
import pytest

from deconv.configs import base, cnn_digits
from deconv.errors import UserError
from deconv.options import EvalOptions, Experiment
from deconv.training import experiment, feature_networks, loop, restore


@pytest.fixture(scope='module', name='workdir')
def _workdir(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('runs') / 'cnn')
  config = cnn_digits.get_config('smoke')
  config.update_from_flattened_dict(
    {'train.steps': 2, 'train.epochs': 0.0, 'samples.every': 0, 'log.tensorboard': False, 'data.eval_split': ''}
  )
  loop.train(experiment.prepare(config), folder)
  return folder


def opened(cpu_rule='', **fields):
  options = Experiment.from_config(base.get_config())
  return feature_networks.open_network(dataclasses.replace(options, cpu_rule=cpu_rule, eval=EvalOptions(**fields)))


def test_it_leaves_the_programs_of_the_run_alone(workdir, monkeypatch):
  seen, honest = [], restore.restore
  monkeypatch.setattr(restore, 'restore', lambda options, folder: seen.append(options) or honest(options, folder))
  opened(cpu_rule='avx2', features=f'classifier:{workdir}')
  assert [options.cpu_rule for options in seen] == ['avx2'] and seen[0].task == 'classification'


def test_features_of_a_run(workdir):
  options = Experiment.from_config(config_of(workdir))
  task, state, _ = restore.restore(options, workdir)
  side, channels = options.data.image_size, options.data.channels
  images = np.random.default_rng(0).integers(0, 256, (5, side, side, channels), dtype=np.uint8)
  logits, features = task.outputs(state, images)
  lenet = opened(features='lenet', features_path=workdir)
  named = opened(features=f'classifier:{workdir}')
  for network in (lenet, named):
    found = network.outputs(images)
    np.testing.assert_allclose(found[0], features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], logits, rtol=1e-5, atol=1e-6)
  assert (lenet.prefix, named.prefix) == ('lenet_', 'classifier_') and lenet.hash == named.hash
  assert lenet.protocol()['network_data'] == options.data.source and lenet.protocol()['network_step'] == 2


def config_of(workdir):
  with open(os.path.join(workdir, 'config.json'), encoding='utf-8') as file:
    return json.load(file)


def test_no_network(tmp_path):
  assert opened(features='pixels').name == 'pixels'
  with pytest.raises(UserError, match="no run in 'nowhere'; train a classifier there, such as configs/cnn_mnist.py"):
    opened(features='lenet', features_path='nowhere')
  with pytest.raises(UserError, match='no file .*download'):
    opened(features='inception', features_path='nowhere.npz')
  (tmp_path / 'config.json').write_text('{"seed": "x"}')
  with pytest.raises(UserError, match='does not fit this version'):
    opened(features=f'classifier:{tmp_path}')


@pytest.mark.parametrize(
  'fields, sentence',
  [
    ({'features': 'lenett'}, "eval.features is 'lenett' .did you mean 'lenet'"),
    ({'features': 'classifier:'}, 'give the folder of a run'),
    ({'features': 'classifier:DIR'}, 'give the folder of a run'),
    ({'features': 'pixels', 'features_path': 'x'}, 'features_path has no effect'),
    ({'evaluators': ('coverage', 'kid')}, "'kid' looks through eval.features=inception: set eval.features_path"),
    ({'resizer': 'claen'}, "eval.resizer is 'claen' .did you mean 'clean'"),
  ],
)
def test_mistakes_in_the_fields(fields, sentence):
  with pytest.raises(UserError, match=sentence):
    EvalOptions(**fields)
