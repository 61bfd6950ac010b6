"""Scores of disentanglement: 1 for oracles, about 0 for noise, and in between where a hand can tell."""

import functools
import math

import numpy as np
import pytest

from deconv.data import DataOptions
from deconv.data.rendered.factors import FactorSource
from deconv.data.rendered.shapes import FACTORS
from deconv.metrics import disentanglement

SCORES = (
  'mig',
  'sap',
  'factor_score',
  'beta_vae_score',
  'dci_disentanglement',
  'dci_completeness',
  'dci_informativeness',
)


def write(factors):
  """Images that hold their factors: an encoder can read them."""
  images = np.zeros((len(factors), 4, 4, 1), np.uint8)
  images[:, 0, 0, 0], images[:, 1, 0, 0] = factors[:, 0], factors[:, 1]
  images[:, 2, :3, 0] = factors[:, 2:]
  return images


def read(images):
  return np.stack([images[:, 0, 0, 0], images[:, 1, 0, 0], *images[:, 2, :3, 0].T], axis=-1).astype(float)


# The factors of the shapes, without the time to render them.
SOURCE = FactorSource('written', DataOptions(image_size=4), FACTORS, write, 1, offsets={'x': 3}, categorical=('shape',))


@functools.lru_cache
def scores(name, num=3000):
  random = np.random.RandomState(0)
  turn = np.linalg.qr(np.random.RandomState(3).normal(size=(5, 5)))[0]
  encode = {
    'oracle': lambda images: read(images) * [-3, 1, 1, 0.2, 1] + 5,
    'oracle and noise': lambda images: np.concatenate(
      [random.normal(size=(len(images), 3)), read(images)[:, ::-1]], axis=1
    ),
    'noise': lambda images: random.normal(size=(len(images), 8)),
    'off': lambda images: np.zeros((len(images), 4)),
    'rotated': lambda images: (read(images) / [2, 5, 39, 31, 31]) @ turn,
    'twice': lambda images: np.repeat(read(images), 2, axis=1),
  }[name]
  return disentanglement.measure(encode, SOURCE, num, seed=0)


@pytest.mark.parametrize('name', ['oracle', 'oracle and noise'])
def test_an_oracle_scores_one(name):
  found, _ = scores(name)
  for score in SCORES:
    assert found[score] == pytest.approx(1, abs=0.08 if score == 'mig' else 0.02), score  # counting is biased upwards
  assert found['factor_accuracy'] > 0.98 and found['beta_vae_accuracy'] > 0.98


@pytest.mark.parametrize('name', ['noise', 'off'])
def test_noise_scores_nothing(name):
  found, _ = scores(name)
  # Few votes and points: their accuracy is good to some percent.
  limits = {'factor_score': 0.3, 'beta_vae_score': 0.2}
  for score in ('mig', 'sap', 'dci_informativeness', 'factor_score', 'beta_vae_score'):
    assert 0 <= found[score] < limits.get(score, 0.05), score
  assert 0 <= found['dci_disentanglement'] < 0.15 and 0 <= found['dci_completeness'] < 0.15


def test_entangled_codes_keep_the_information_and_lose_the_rest():
  found, _ = scores('rotated')
  oracle, _ = scores('oracle')
  assert found['dci_informativeness'] > 0.5
  for score in ('mig', 'sap', 'dci_disentanglement', 'dci_completeness'):
    assert found[score] < 0.6 * oracle[score], score


def test_two_latents_for_a_factor_are_disentangled_but_not_complete():
  found, _ = scores('twice')
  assert found['mig'] == 0 and found['sap'] == 0
  assert found['dci_disentanglement'] > 0.98 and found['factor_score'] > 0.98
  assert found['dci_completeness'] < 0.98


def test_protocol_says_how():
  _, protocol = scores('oracle')
  assert protocol['n'] == 3000 and protocol['factors'] == FACTORS and protocol['mig_bins'] == 40


def test_mig_by_hand():
  a, b = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])
  # One factor, two latents: the first is the factor, the second knows this of it.
  known = (
    0.5 * math.log(0.5 / (0.5 * 0.75)) + 0.25 * math.log(0.25 / (0.5 * 0.75)) + 0.25 * math.log(0.25 / (0.5 * 0.25))
  )
  entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
  codes = np.stack([b, a], axis=-1).astype(float)
  assert disentanglement.mig(codes, b[:, None]) == pytest.approx((entropy - known) / entropy)


@pytest.mark.filterwarnings('error')
def test_accuracy_by_hand_with_a_class_that_is_only_predicted():
  """Of class 0 a half is found, of class 1 all: a mean of 3/4, half way from chance (two classes, not three)."""
  truth, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 1, 1])
  assert disentanglement._adjusted_accuracy(truth, predicted) == pytest.approx(0.5)


def test_sap_of_a_noisy_latent_is_its_squared_correlation():
  random = np.random.RandomState(1)
  factor = random.randint(0, 32, 20_000)
  latent = factor + math.sqrt(np.var(factor)) * random.normal(size=len(factor))  # R^2 = 1 / 2
  codes = np.stack([latent, random.normal(size=len(factor))], axis=-1)
  assert disentanglement.sap(codes, factor[:, None], (False,)) == pytest.approx(0.5, abs=0.03)


def test_concentration_by_hand():
  weights = np.array(
    [[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]
  )  # entropies 0 and log 2, equally heavy; the last has no weight
  assert disentanglement._concentration(weights) == pytest.approx(0.5)
  assert disentanglement._concentration(np.eye(4)) == pytest.approx(1)
  assert disentanglement._concentration(np.zeros((3, 2))) == 0


def test_the_held_factor_is_held():
  """An encoder that sees one factor alone: its votes are right for it and nothing else."""
  random = np.random.RandomState(0)

  def encode(images):
    return np.stack([read(images)[:, 3], random.normal(size=len(images))], axis=-1)

  variances = np.var(encode(SOURCE.render(SOURCE.sample_factors(random, 2000))), axis=0)
  found = disentanglement.factor_score(encode, SOURCE, random, 600, 32, variances)
  # x, one vote in 5, is always told; half of the others go to the noise, which stands for one of four factors.
  assert found['factor_accuracy'] == pytest.approx(1 / 5 + 4 / 5 / 2 / 4, abs=0.05)
