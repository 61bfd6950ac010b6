"""SegNet: the paper's layers and parameters by hand, unpooling by the encoder's own switches."""

import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import segnet
from tests.models import networks

VGG16 = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def test_paper_layer_by_layer():
  module = networks.build('segnet', (352, 480, 3), 11, **segnet.PAPER)
  found, logits, variables = networks.shapes(module, (352, 480))
  assert logits == (352, 480, 11)
  decoder = [name for name in found if name.startswith('decoder/deconv')]
  assert len(decoder) == 13
  table = {5: [512, 512, 512], 4: [512, 512, 256], 3: [256, 256, 128], 2: [128, 64], 1: [64, 11]}
  for stage, features in table.items():
    sides = 352 // 2 ** (stage - 1), 480 // 2 ** (stage - 1)
    layers = [found[f'decoder/deconv{stage}_{j}'] for j in range(len(features), 0, -1)]
    assert layers == [(*sides, n) for n in features]
  features = [n for stage in (5, 4, 3, 2, 1) for n in table[stage]]
  norms = sum(VGG16) + sum(features[:-1])  # a gain more than the bias that convolutions without batch norm have
  by_hand = networks.convs(3, *VGG16) + networks.convs(512, *features) + norms
  assert networks.count(variables['params']) == by_hand == 29_441_419
  assert 'norm_deconv1_1' not in variables['params']['decoder']


@pytest.mark.parametrize('convs', [(1, 1), (2, 1)])
def test_only_maxima_come_through_and_where_they_were(convs):
  """All kernels pass on: what comes out is the maximum of each 4x4 block, at its own pixel, and zero elsewhere."""
  module = networks.build('segnet', (8, 12, 1), 1, depth=2, width=1, convs=convs, batch_norm=False)
  variables = networks.passing(module, (8, 12))
  x = np.abs(networks.images(2, (8, 12), 1))
  blocks = x.reshape(2, 2, 4, 3, 4, 1).max((2, 4), keepdims=True)
  expected = np.where(x.reshape(2, 2, 4, 3, 4, 1) == blocks, blocks, 0).reshape(x.shape)
  np.testing.assert_array_equal(networks.apply(module, variables, x), expected)
  moved = np.roll(x, 1, axis=2)  # within the blocks and across them
  blocks = moved.reshape(2, 2, 4, 3, 4, 1).max((2, 4), keepdims=True)
  expected = np.where(moved.reshape(2, 2, 4, 3, 4, 1) == blocks, blocks, 0).reshape(x.shape)
  np.testing.assert_array_equal(networks.apply(module, variables, moved), expected)


def test_logits_may_be_negative():
  module = networks.build('segnet', (16, 16, 3), 4, depth=2, width=4)
  assert networks.apply(module, networks.random(module, (16, 16)), networks.images(1, (16, 16))).min() < 0


def test_mistakes():
  with pytest.raises(UserError, match='segnet halves the image 4 times'):
    networks.build('segnet', (40, 64, 3), 4)
