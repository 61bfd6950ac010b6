"""DeconvNet: the paper's layers, parameters by hand, unpooling by the encoder's own switches."""

import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import deconvnet
from deconv.options.models.segmenters import DeconvNetOptions
from tests.models import networks

VGG16 = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
DECODER = (512, 512, 512, 512, 512, 256, 256, 256, 128, 128, 64, 64, 64)


def kernels(c_in, *features, side=3):
  """Convolutions without bias before batch norm: kernel, gain and shift."""
  return networks.convs(c_in, *features, side=side) + sum(features)


def test_paper_layer_by_layer():
  module = networks.build('deconvnet', (224, 224, 3), 21, **deconvnet.PAPER)
  found, logits, variables = networks.shapes(module, (224, 224))
  assert logits == (224, 224, 21)
  assert [found[name] for name in ('fc6', 'fc7', 'fc6_deconv')] == [(1, 1, 4096), (1, 1, 4096), (7, 7, 512)]
  # Table 1 of the paper: the deconvolutions of each resolution.
  table = {
    5: (14, [512, 512, 512]),
    4: (28, [512, 512, 256]),
    3: (56, [256, 256, 128]),
    2: (112, [128, 64]),
    1: (224, [64, 64]),
  }
  for stage, (side, features) in table.items():
    layers = [found[f'decoder/deconv{stage}_{j}'] for j in range(len(features), 0, -1)]
    assert layers == [(side, side, n) for n in features]
    assert variables['params']['decoder'][f'deconv{stage}_1']['kernel'].shape[:2] == (3, 3)
  by_hand = (
    kernels(3, *VGG16)
    + kernels(512, 4096, side=7)
    + kernels(4096, 4096, side=1)
    + kernels(4096, 512, side=7)
    + kernels(512, *DECODER)
    + networks.convs(64, 21, side=1)
  )
  assert networks.count(variables['params']) == by_hand == 251_788_949


def test_only_maxima_come_through_and_where_they_were():
  """All kernels pass on: what comes out is the maximum of each 4x4 block, at its own pixel, and zero elsewhere."""
  module = networks.build(
    'deconvnet', (8, 12, 1), 1, depth=2, width=1, convs=(1, 2), fc_kernel=1, fc_width=2, batch_norm=False
  )
  variables = networks.passing(module, (8, 12))
  x = np.abs(networks.images(2, (8, 12), 1))
  blocks = x.reshape(2, 2, 4, 3, 4, 1).max((2, 4), keepdims=True)
  expected = np.where(x.reshape(2, 2, 4, 3, 4, 1) == blocks, blocks, 0).reshape(x.shape)
  np.testing.assert_array_equal(networks.apply(module, variables, x), expected)


def test_the_bottom_is_undone_at_its_own_place():
  """fc6 and its counterpart are adjoint: a pixel of the smallest map comes back at its own place, at any size."""
  module = networks.build(
    'deconvnet',
    (8, 8, 1),
    1,
    depth=1,
    width=1,
    convs=(1,),
    fc_kernel=3,
    fc_width=1,
    batch_norm=False,
    upsample='resize_nearest',
  )
  variables = networks.passing(module, (8, 8))
  x = np.abs(networks.images(1, (10, 12), 1))
  pooled = x.reshape(1, 5, 2, 6, 2).max((2, 4))
  y = networks.apply(module, variables, x)
  np.testing.assert_array_equal(y[0, 2:8, 2:10, 0], pooled[0, 1:4, 1:5].repeat(2, 0).repeat(2, 1))
  assert not y[0, :2].any() and not y[0, :, -2:].any()  # the window of fc6 is never centred on the border


def test_mistakes():
  for wrong in (dict(fc_kernel=0), dict(fc_width=0)):
    with pytest.raises(UserError, match='at least 1'):
      DeconvNetOptions(**wrong)
  for shape, message in (((32, 64, 3), 'data.image_size to 48'), ((72, 64, 3), 'multiples of 16')):
    with pytest.raises(UserError, match=message):
      networks.build('deconvnet', shape, 3)
  module = networks.build('deconvnet', (64, 64, 3), 3)
  with pytest.raises(UserError, match='smallest map of a 32x64'):
    networks.shapes(module, (32, 64))
