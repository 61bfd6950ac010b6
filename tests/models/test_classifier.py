"""The classifier: its parameters and its forward by hand, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from deconv.errors import UserError
from deconv.models import CLASSIFIERS
from deconv.options import Experiment
from deconv.options.models.classifiers import CnnOptions

KEY = jax.random.key(0)


def build(dtype=jnp.float32, **fields):
  return CLASSIFIERS['cnn'](CnnOptions(**fields), dtype=dtype, batch_norm_axis=None)


def count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def shapes(network, *image):
  return jax.eval_shape(lambda x: network.init(KEY, x, train=False), jnp.zeros((2, *image)))


def test_lenet_has_431080_parameters_and_the_default_by_hand():
  lenet = build(widths=(20, 50), convs=1, kernel_size=5, hidden=(500,), batch_norm=False)
  # Caffe's LeNet has 50 maps of 4x4, without padding; here they are 7x7.
  assert count(shapes(lenet, 28, 28, 1)) - (49 - 16) * 50 * 500 == 431_080
  params = shapes(build(), 28, 28, 1)['params']
  convs = 9 * 32 + 9 * 32 * 32 + 9 * 32 * 64 + 9 * 64 * 64
  assert count(params) == convs + 2 * (32 + 32 + 64 + 64) + 49 * 64 * 128 + 2 * 128 + 128 * 10 + 10


@pytest.mark.parametrize('pool, global_pool', [('max', False), ('average', False), ('average', True)])
def test_forward_by_hand(pool, global_pool):
  network = build(
    widths=(3,), convs=1, hidden=(4,), batch_norm=False, num_classes=5, pool=pool, global_pool=global_pool
  )
  x = jax.random.normal(KEY, (2, 5, 4, 2))
  variables = network.init(KEY, x, train=False)
  logits, features = network.apply(variables, x, train=False)
  p = jax.tree.map(lambda x: np.asarray(x, np.float64), variables['params'])
  padded = np.pad(np.asarray(x, np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
  maps = np.stack(
    [
      [correlate(image, p['conv1_1']['kernel'][..., k], 'valid')[..., 0] + p['conv1_1']['bias'][k] for k in range(3)]
      for image in padded
    ]
  )  # b 3 5 4
  blocks = np.maximum(maps, 0)[:, :, :4].reshape(2, 3, 2, 2, 2, 2)
  pooled = blocks.max(axis=(3, 5)) if pool == 'max' else blocks.mean(axis=(3, 5))
  pooled = pooled.transpose(0, 2, 3, 1)
  flat = pooled.mean(axis=(1, 2)) if global_pool else pooled.reshape(2, -1)
  hidden = np.maximum(flat @ p['dense1']['kernel'] + p['dense1']['bias'], 0)
  np.testing.assert_allclose(features, hidden, atol=1e-5)
  np.testing.assert_allclose(logits, hidden @ p['logits']['kernel'] + p['logits']['bias'], atol=1e-5)


def test_logits_are_linear_in_the_features_and_float32():
  network = build(jnp.bfloat16, widths=(4,), hidden=(6,), dropout=0.5)
  x = jax.random.normal(KEY, (3, 8, 8, 1))
  variables = network.init(KEY, x, train=False)
  logits, features = network.apply(variables, x, train=False)
  assert logits.dtype == features.dtype == jnp.float32 and features.shape == (3, 6)
  last = variables['params']['logits']
  np.testing.assert_allclose(logits, features @ last['kernel'] + last['bias'], atol=1e-5)


def test_dropout_and_batch_statistics_are_of_training_alone():
  network = build(widths=(4,), hidden=(6,), dropout=0.5)
  x = jax.random.normal(KEY, (8, 8, 8, 1))
  variables = jax.jit(lambda x: network.init(KEY, x, train=False))(x)

  @jax.jit
  def train(key):
    return network.apply(variables, x, train=True, rngs={'dropout': key}, mutable=['batch_stats'])

  (first, _), stats = train(jax.random.key(1))
  (second, _), _ = train(jax.random.key(2))
  assert np.abs(first - second).max() > 1e-3
  assert any(
    np.abs(a - b).max() > 1e-3
    for a, b in zip(jax.tree.leaves(stats['batch_stats']), jax.tree.leaves(variables['batch_stats']))
  )


@pytest.mark.parametrize(
  'fields, sentence',
  [
    ({'upsample': 'subpixel'}, 'has no upsampling layer'),
    ({'num_classes': 1}, 'model.num_classes=1 must be at least 2'),
    ({'kernel_size': 4}, 'must be odd'),
    ({'widths': (3, 0)}, 'must be numbers of at least 1'),
    ({'pool': 'median'}, "model.pool is 'median'"),
    ({'dropout': 1.0}, 'below 1'),
  ],
)
def test_fields_that_mean_nothing(fields, sentence):
  with pytest.raises(UserError, match=sentence):
    CnnOptions(**fields)


def test_more_halvings_than_the_image_has():
  config = {'task': 'classification', 'model': {'widths': (4, 4, 4, 4)}, 'data': {'image_size': 15}}
  with pytest.raises(UserError, match='halve the image 4 times'):
    Experiment.from_config(config)
  config['data']['image_size'] = 16
  Experiment.from_config(config)
