"""Images of a trained run among those of another: which they are, and whose runs are refused."""

import json

import jax
import numpy as np
import pytest

from deconv import data
from deconv.configs import base
from deconv.errors import UserError
from deconv.options import Experiment
from deconv.rng import stream
from deconv.training import experiment, generated, loop, restore

SIZES = {'compilation_cache': '', 'train.batch_size': 8, 'train.steps': 2, 'data.per_class': 3, 'data.image_size': 28}


def config_of(model, task, **fields):
  config = base.get_config(model=model, task=task)
  config.update_from_flattened_dict({**SIZES, **{name.replace('__', '.'): value for name, value in fields.items()}})
  return config


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """The folder of a conditional GAN that has made two steps on thirty digits."""
  folder = str(tmp_path_factory.mktemp('gan'))
  config = config_of(
    'dcgan28',
    'gan',
    model__width=4,
    model__hidden=8,
    model__num_classes=10,
    model__gen_label='concat',
    model__disc_label='concat',
    eval__evaluators=(),
    data__eval_split='',
    samples__every=0,
  )
  loop.train(experiment.prepare(config), folder)
  return folder


def classifier(workdir, **fields):
  return config_of('cnn', 'classification', data__generated=workdir, data__generated_per_class=2, **fields)


def test_real_images_then_those_of_the_run(workdir):
  run = experiment.prepare(classifier(workdir, seed=5))
  assert len(run.source) == 30 + 20 and run.batches.steps_per_epoch == 6 and len(run.eval_source) == 297
  items = run.source.take(np.arange(50))
  real = data.open_source(run.options.data).take(np.arange(30))
  np.testing.assert_array_equal(items['image'][:30], real['image'])
  np.testing.assert_array_equal(items['label'][30:], np.arange(20) % 10)
  with open(f'{workdir}/config.json', encoding='utf-8') as file:
    theirs = Experiment.from_config(json.load(file))
  task, state, _ = restore.restore(theirs, workdir)
  drawn = data.to_uint8(task.sample(state, stream(jax.random.key(5), 'generated'), 20))
  np.testing.assert_array_equal(items['image'][30:], drawn)
  assert experiment.prepare(classifier(workdir, seed=5)).source.fingerprint() == run.source.fingerprint()
  assert experiment.prepare(classifier(workdir, seed=6)).source.fingerprint() != run.source.fingerprint()


def test_runs_that_cannot_help(workdir, tmp_path):
  with pytest.raises(UserError, match='is no folder of a run'):
    experiment.prepare(classifier(str(tmp_path / 'none')))
  assert not (tmp_path / 'none').exists()
  with pytest.raises(UserError, match=r'draws images of \(28, 28, 1\), not \(16, 16, 1\)'):
    experiment.prepare(classifier(workdir, data__image_size=16))
  options = Experiment.from_config(classifier(workdir))
  source = data.ArraySource('two', np.zeros((4, 28, 28, 1), np.uint8), np.arange(4) % 2, options.data, ('a', 'b'))
  with pytest.raises(UserError, match='draws 10 classes, and two has 2'):
    generated.add(source, options)
