"""FCN: parameters and sizes of the paper's networks, the authors' network done by hand, bilinear upsampling, skips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import fcn
from deconv.options.models.segmenters import FcnOptions
from tests.models import networks

VGG16 = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
SMALL = dict(depth=3, width=2, convs=(1, 1, 1), fc_width=5)


def test_paper_parameters():
  encoder = networks.convs(3, *VGG16)
  head = networks.convs(512, 4096, side=7) + networks.convs(4096, 4096, 21, side=1)
  skips = [0, networks.convs(512, 21, side=1), networks.convs(256, 21, side=1)]
  published = {}
  for n in range(3):
    module = networks.build('fcn', (500, 375, 3), 21, **{**fcn.PAPER, 'skips': n})
    found, logits, variables = networks.shapes(module, (500, 375))
    published[n] = networks.count(variables)
    assert published[n] == encoder + head + sum(skips[: n + 1])
    assert logits == (500, 375, 21)  # any size
    assert (found['fc6'], found['score']) == ((16, 12, 4096), (16, 12, 21))
  assert published == {0: 134_346_581, 1: 134_357_354, 2: 134_362_751}
  learned = networks.build('fcn', (64, 64, 3), 21, **{**fcn.PAPER, 'learned': True})
  _, _, variables = networks.shapes(learned, (64, 64))
  assert networks.count(variables) - published[2] == 21 * 21 * (4 * 4 + 4 * 4 + 16 * 16)


def test_paper_sizes_and_crops():
  """The sizes of Caffe's blobs for a 500x500 image, and the offsets of the authors' crop layers."""
  module = networks.build('fcn', (500, 500, 3), 21, **fcn.PAPER)
  found, _, _ = networks.shapes(module, (500, 500))
  assert found['encoder/conv1_1'] == (698, 698, 64)
  assert [found[f'encoder/conv{i}_1'][0] for i in (2, 3, 4, 5)] == [349, 175, 88, 44]
  assert (found['fc6'][0], found['score_pool4'][0], found['score_pool3'][0]) == (16, 44, 88)
  assert fcn.wide_border(5) == 100
  assert [fcn.skip_offset(5, 1, 7), fcn.skip_offset(5, 2, 7)] == [5, 9]
  assert [fcn.result_offset(5, n, 7) for n in range(3)] == [19, 27, 31]


def _relu_conv(x, layer, pad):
  y = (
    jax.lax.conv_general_dilated(
      x, layer['kernel'], (1, 1), [(pad, pad)] * 2, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )
    + layer['bias']
  )
  return jnp.maximum(y, 0)


def _deconvolution(x, f):
  """Caffe's: every pixel adds its bilinear stamp of side 2f, without padding."""
  stamp = 1 - np.abs(np.arange(2 * f) - (f - 0.5)) / f
  b, h, w, c = x.shape
  y = np.zeros((b, f * (h + 1), f * (w + 1), c))
  for i in range(h):
    for j in range(w):
      y[:, f * i : f * i + 2 * f, f * j : f * j + 2 * f] += (
        np.outer(stamp, stamp)[..., None] * x[:, i, j][:, None, None]
      )
  return y


def test_wide_fcn8s_is_the_authors_network():
  """FCN-8s at once, written out as in the authors' net.py with its numbers: 100, 5, 9, 31; poolings rounded up."""
  sides = (33, 50)
  module = networks.build(
    'fcn', (*sides, 3), 3, **{**fcn.PAPER, 'width': 1, 'convs': (1,) * 5, 'fc_width': 4, 'scaled_skips': True}
  )
  variables = networks.random(module, sides)
  for name, scale in (('score_pool4', 100), ('score_pool3', 10_000)):  # else their scores would hardly be seen
    variables['params'][name]['kernel'] *= scale
  params, x = variables['params'], networks.images(1, sides)
  got = networks.apply(module, variables, x)

  pools, y = [], x
  for i in range(5):
    y = _relu_conv(y, params['encoder'][f'conv{i + 1}_1'], 1 if i else 100)
    y = jax.lax.reduce_window(
      y, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), [(0, 0), (0, y.shape[1] % 2), (0, y.shape[2] % 2), (0, 0)]
    )
    pools.append(np.asarray(y))
  y = _relu_conv(_relu_conv(y, params['fc6'], 0), params['fc7'], 0)
  score = lambda x, name: np.asarray(x, np.float64) @ params[name]['kernel'][0, 0] + params[name]['bias']
  y = _deconvolution(score(y, 'score'), 2)
  pool4, pool3 = pools[3] * 0.01, pools[2] * 0.0001
  y = y + score(pool4, 'score_pool4')[:, 5 : 5 + y.shape[1], 5 : 5 + y.shape[2]]
  y = _deconvolution(y, 2)
  y = y + score(pool3, 'score_pool3')[:, 9 : 9 + y.shape[1], 9 : 9 + y.shape[2]]
  y = _deconvolution(y, 8)[:, 31 : 31 + 33, 31 : 31 + 50]
  np.testing.assert_allclose(got, y, rtol=1e-3, atol=1e-3 * np.abs(y).max())


@pytest.mark.parametrize('depth', [1, 2, 3, 4])
def test_wide_covers_any_size_at_any_depth(depth):
  for fc_kernel, skips in ((1, 0), (7, min(depth - 1, 2))):
    module = networks.build(
      'fcn',
      (40, 23, 3),
      2,
      depth=depth,
      width=1,
      padding='wide',
      skips=skips,
      fc_kernel=fc_kernel,
      convs=(1,) * depth,
      batch_norm=False,
    )
    assert networks.shapes(module, (40, 23))[1] == (40, 23, 2)


@pytest.mark.parametrize('learned', [False, True])
def test_a_constant_score_stays_constant_inside(learned):
  """8-fold bilinear upsampling: constant but within half a stride of the border, where zeros are mixed in."""
  module = networks.build('fcn', (32, 32, 3), 3, **SMALL, skips=0, learned=learned)
  variables = networks.init(module, (32, 32))
  assert not np.any(variables['params']['score']['kernel'])
  variables['params']['score']['bias'] = jnp.array([1.0, -2.0, 3.0])
  y = networks.apply(module, variables, networks.images(1, (32, 32)))
  np.testing.assert_allclose(y[:, 4:-4, 4:-4], np.broadcast_to([1.0, -2.0, 3.0], (1, 24, 24, 3)), rtol=1e-6)
  np.testing.assert_allclose(y[0, 0, 16], [9 / 16, -18 / 16, 27 / 16], rtol=1e-6)


def test_only_learned_kernels_are_parameters():
  fixed = networks.shapes(networks.build('fcn', (16, 16, 3), 3, **SMALL), (16, 16))[2]['params']
  learned = networks.shapes(networks.build('fcn', (16, 16, 3), 3, learned=True, **SMALL), (16, 16))[2]['params']
  assert set(learned) - set(fixed) == {'up', 'up_1', 'up_2'}
  assert learned['up']['kernel'].shape == (4, 4, 3, 3)


def test_strides_follow_skips():
  """The last step's factor: 2**(depth - skips), at once where bilinear, by doublings otherwise."""
  for skips, side in ((0, 16), (1, 8), (2, 4)):
    module = networks.build('fcn', (16, 16, 3), 3, **SMALL, skips=skips, learned=True)
    found, logits, variables = networks.shapes(module, (16, 16))
    assert variables['params']['up']['kernel'].shape[0] == side and logits == (16, 16, 3)
    assert {name for name in found if name.startswith('score_pool')} == {'score_pool2', 'score_pool1'} - {
      f'score_pool{2 - i}' for i in range(skips, 2)
    }
  module = networks.build('fcn', (16, 16, 3), 3, **SMALL, skips=0, upsample='subpixel')
  assert {'up_x2', 'up_x4', 'up_x8'} <= set(networks.shapes(module, (16, 16))[0])


def test_mistakes():
  for wrong, message in (
    (dict(skips=3), 'from 0 to model.depth - 1 = 2'),
    (dict(padding='valid'), 'same, wide'),
    (dict(fc_kernel=4), 'odd'),
    (dict(fc_kernel=9, padding='wide'), 'at most 7'),
    (dict(fc_width=0), 'fc_width=0'),
    (dict(dropout=1.0), 'model.dropout=1.0'),
    (dict(learned=True, upsample='subpixel'), 'model.learned=True has no effect'),
    (dict(upsample='unpool'), 'class scores, which were never pooled'),
  ):
    with pytest.raises(UserError, match=message):
      FcnOptions(**{**SMALL, **wrong})
  with pytest.raises(UserError, match='not 20x16'):
    networks.build('fcn', (20, 16, 3), 3, **SMALL)
