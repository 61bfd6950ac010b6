"""Losses of restoration against numpy, scikit-image and finite values at their corners."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from deconv.errors import UserError
from deconv.metrics import image_quality
from deconv.objectives import restoration
from deconv.objectives.restoration import RestorationLoss
from deconv.options import Experiment
from deconv.options.objectives.restoration import RestorationObjective

RNG = np.random.default_rng(0)
A, B = RNG.uniform(-1, 1, (2, 3, 16, 14, 2)).astype(np.float32)
WEIGHTS = RNG.integers(0, 3, (3, 16, 14, 1)).astype(np.float32)


def test_losses_are_means_over_the_pixels():
  error = np.float64(A) - B
  np.testing.assert_allclose(restoration.l2(A, B), (error**2).mean((1, 2, 3)), rtol=1e-5)
  np.testing.assert_allclose(restoration.l1(A, B), abs(error).mean((1, 2, 3)), rtol=1e-5)
  np.testing.assert_allclose(restoration.charbonnier(A, B, None, 0.1), np.hypot(error, 0.1).mean((1, 2, 3)), rtol=1e-5)
  down, right = abs(np.diff(A, axis=1)), abs(np.diff(A, axis=2))
  np.testing.assert_allclose(restoration.total_variation(A), down.mean((1, 2, 3)) + right.mean((1, 2, 3)), rtol=1e-5)


def test_weights_weigh_pixels():
  for name, power in (('l1', 1), ('l2', 2)):
    wanted = [np.average(abs(a - b) ** power, weights=np.broadcast_to(w, a.shape)) for a, b, w in zip(A, B, WEIGHTS)]
    np.testing.assert_allclose(getattr(restoration, name)(A, B, WEIGHTS), wanted, rtol=1e-5)
  assert restoration.l2(A, B, 0 * WEIGHTS).tolist() == [0, 0, 0]


def test_ssim_has_the_window_that_the_options_know():
  side = image_quality.SSIM_SIDE
  config = {'task': 'restoration', 'model': {'name': 'rednet'}, 'objective': {'colour': 'grey', 'ssim': 1.0}}
  Experiment.from_config({**config, 'data': {'image_size': side}})
  with pytest.raises(UserError, match=f'leaves {side - 1} pixels .* the loss needs {side}'):
    Experiment.from_config({**config, 'data': {'image_size': side - 1}})


def test_ssim_is_scikit_images():
  metrics = pytest.importorskip('skimage.metrics')
  wanted = [
    1
    - metrics.structural_similarity(
      (a + 1) * 127.5,
      (b + 1) * 127.5,
      channel_axis=-1,
      data_range=255,
      gaussian_weights=True,
      sigma=1.5,
      use_sample_covariance=False,
    )
    for a, b in zip(np.float64(A), np.float64(B))
  ]
  np.testing.assert_allclose(jax.jit(restoration.ssim)(A, B), wanted, atol=1e-4)
  same = A[:1]
  gradient = jax.jit(jax.grad(lambda x: restoration.ssim(x, same).sum()))(same)
  assert np.all(np.isfinite(gradient)) and np.abs(gradient).max() < 1e-3  # SSIM has its maximum there


@pytest.mark.parametrize('ring', [0, 1, 3])
def test_ring_is_a_dilation(ring):
  hole = np.zeros((1, 16, 14, 1), np.float32)
  hole[0, 5:9, 0:4] = 1
  near = ndimage.binary_dilation(hole[0, ..., 0] > 0, np.ones((3, 3)), iterations=ring) if ring else hole[0, ..., 0]
  wanted = np.where(hole[0, ..., 0] > 0, 1.0, np.where(near, 7.0, 0.25))
  np.testing.assert_array_equal(restoration.hole_weights(jnp.asarray(hole), 0.25, ring, 7.0)[0, ..., 0], wanted)


def test_sum_of_losses():
  hole = (WEIGHTS > 1).astype(np.float32)
  options = RestorationObjective(l2=0.5, l1=2.0, charbonnier=1.0, ssim=3.0, total_variation=0.1, outside=0.0)
  loss, terms = jax.jit(RestorationLoss(options))(A, B, hole)
  assert set(terms) == set(RestorationObjective.TERMS)
  assert loss == pytest.approx(sum(getattr(options, name) * float(value) for name, value in terms.items()), rel=1e-6)
  assert terms['l1'] == pytest.approx(
    np.mean([abs(a - b)[h[..., 0] > 0].mean() for a, b, h in zip(A, B, hole)]), rel=1e-5
  )
  loss, terms = RestorationLoss(RestorationObjective())(A, B)
  assert list(terms) == ['l2'] and loss == terms['l2'] == pytest.approx(((A - B) ** 2).mean(), rel=1e-5)


def test_shave_leaves_the_border_out():
  changed = A.copy()
  changed[:, :2] = changed[:, -2:] = changed[:, :, :2] = changed[:, :, -2:] = 7.0
  loss = RestorationLoss(RestorationObjective(shave=2, l1=1.0, total_variation=1.0))
  np.testing.assert_allclose(loss(changed, B)[0], loss(A, B)[0], rtol=1e-6)
  assert RestorationLoss(RestorationObjective(shave=1))(changed, B)[0] > loss(A, B)[1]['l2'] + 1


def test_numbers_of_the_losses_are_those_of_the_options():
  """The softness of the Charbonnier loss, and the ring around a hole."""
  loss = RestorationLoss(RestorationObjective(l2=0.0, charbonnier=1.0, charbonnier_eps=0.3))
  assert loss(A, B)[0] == pytest.approx(np.hypot(np.float64(A) - B, 0.3).mean(), rel=1e-5)
  hole = np.zeros((3, 16, 14, 1), np.float32)
  hole[:, 5:9, 4:8] = 1
  loss = RestorationLoss(RestorationObjective(outside=0.25, ring=2, ring_weight=3.0))
  weights = np.full(hole.shape, 0.25)
  weights[:, 3:11, 2:10] = 3
  weights[:, 5:9, 4:8] = 1
  assert loss(A, B, hole)[0] == pytest.approx(
    np.average((np.float64(A) - B) ** 2, weights=np.broadcast_to(weights, A.shape)), rel=1e-5
  )


@pytest.mark.parametrize(
  'fields, part',
  [
    (dict(colour='gray'), "objective.colour is 'gray'"),
    (dict(l1=-1.0), 'objective.l1=-1.0 must not be negative'),
    (dict(l2=0.0, total_variation=1.0), 'no loss compares'),
    (dict(charbonnier_eps=0.0), 'must be above 0'),
    (dict(disc_learning_rate_scale=0.0), 'objective.disc_learning_rate_scale=0.0 must be above 0'),
    (dict(disc_width=0), 'objective.disc_width=0 must be at least 1'),
    (dict(adversarial_name='wgan'), "objective.adversarial_name is 'wgan'"),
    (dict(shave=-1), 'objective.shave=-1 must not be negative'),
  ],
  ids=str,
)
def test_mistakes_are_one_sentence(fields, part):
  with pytest.raises(UserError) as error:
    RestorationObjective(**fields)
  assert part in str(error.value) and '\n' not in str(error.value)
