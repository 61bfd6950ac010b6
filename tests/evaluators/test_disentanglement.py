"""Scores of latents against known factors, with their protocol; nothing where the factors are not known."""

import json

import jax
import numpy as np
import optax
import pytest

from deconv import data
from deconv.evaluators import EVALUATORS
from deconv.metrics import disentanglement
from deconv.options import EvalOptions, Experiment
from deconv.tasks import TASKS
from deconv.tasks.capabilities import Encodes
from tests.evaluators.encoders import FACTORS, Reader, written
from tests.evaluators.generators import make_state

KEY = jax.random.key(3)
EVALUATOR = EVALUATORS['disentanglement']
OPTIONS = EvalOptions(num_samples=400)


def measure(task, source=written(), key=KEY, options=OPTIONS):
  return EVALUATOR.measure(task, make_state(), source, key, options)


def test_the_scores_are_those_of_the_means():
  found, pictures, protocol = measure(Reader())
  expected, said = disentanglement.measure(lambda images: images[:, 0, :, 0].astype(float), written(), 400, 3)
  assert found == pytest.approx(expected) and protocol == said and pictures == {}
  assert found['factor_accuracy'] > 0.9 and found['dci_disentanglement'] > 0.9
  assert protocol['n'] == 400 and protocol['factors'] == FACTORS and protocol['codes'] == 'posterior means'
  assert json.loads(json.dumps(protocol)) == protocol


def test_latents_that_share_the_factors_score_less():
  turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
  found, oracle = measure(Reader(lambda factors: factors @ turn))[0], measure(Reader())[0]
  for score in ('mig', 'sap', 'dci_disentanglement'):
    assert found[score] < 0.6 * oracle[score], score


def test_the_key_alone_decides_the_images():
  tasks = [Reader() for _ in range(3)]
  results = [measure(task, key=key) for task, key in zip(tasks, (KEY, KEY, jax.random.key(4)))]
  assert results[0] == results[1] and results[0][0] != results[2][0]
  assert [protocol['seed'] for _, _, protocol in results] == [3, 3, 4]
  for a, b in zip(tasks[0].read, tasks[1].read):
    np.testing.assert_array_equal(a, b)
  assert not np.array_equal(tasks[0].read[0], tasks[2].read[0])


def test_so_many_images_are_looked_at():
  task = Reader()
  assert measure(task, options=EvalOptions(num_samples=130))[2]['n'] == 130
  assert len(task.read[0]) == 130


def test_nothing_is_measured_without_factors():
  task = Reader()
  assert measure(task, data.open_source(data.DataOptions(image_size=4))) == ({}, {}, {})
  assert not task.read


@pytest.mark.parametrize('name', ['vae', 'factor_vae'])
def test_a_network_is_scored(name):
  options = Experiment.from_config(
    {
      'task': name,
      'model': {'name': 'vae_mlp', 'hidden': 8, 'latent_size': 3},
      'data': {'source': 'shapes', 'image_size': 4},
      'objective': {'binarization': 'grey'},
    }
  )
  task, source = TASKS[name](options, optax.sgd, None), data.open_source(options.data)
  state = task.init(KEY, source.take(np.arange(2)))
  numbers, pictures, protocol = EVALUATOR.measure(task, state, source, KEY, EvalOptions(num_samples=300))
  assert {'mig', 'sap', 'factor_score', 'dci_disentanglement'} <= set(numbers) and not pictures
  assert all(0 <= value <= 1 for value in numbers.values()) and protocol['n'] == 300
  assert set(options.eval.evaluators) == {'disentanglement'}  # without being asked for


def test_any_task_that_encodes_by_its_training_source():
  assert EVALUATOR.needs is Encodes and EVALUATOR.split == 'train'
