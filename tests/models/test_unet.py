"""U-Net: figure 1 layer by layer, parameters by hand, crops that stay centred, sizes without padding."""

import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import unet
from deconv.options.models.segmenters import UNetOptions
from tests.models import networks


def test_paper_layer_by_layer():
  module = networks.build('unet', (572, 572, 1), 2, **unet.PAPER)
  found, logits, variables = networks.shapes(module, (572, 572), 1)
  down = {1: (570, 568, 64), 2: (282, 280, 128), 3: (138, 136, 256), 4: (66, 64, 512)}
  for stage, (first, second, features) in down.items():
    assert found[f'encoder/conv{stage}_1'] == (first, first, features)
    assert found[f'encoder/conv{stage}_2'] == (second, second, features)
  assert (found['conv5_1'], found['conv5_2']) == ((30, 30, 1024), (28, 28, 1024))
  up = {4: (56, 54, 52, 512), 3: (104, 102, 100, 256), 2: (200, 198, 196, 128), 1: (392, 390, 388, 64)}
  for stage, (side, first, second, features) in up.items():
    assert found[f'up{stage}'] == (side, side, features)
    assert found[f'conv_up{stage}_1'] == (first, first, features)
    assert found[f'conv_up{stage}_2'] == (second, second, features)
    assert variables['params'][f'conv_up{stage}_1']['kernel'].shape == (3, 3, 2 * features, features)
  assert logits == (388, 388, 2)
  by_hand = networks.convs(1, 64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024) + networks.convs(64, 2, side=1)
  for n in (512, 256, 128, 64):
    by_hand += networks.convs(2 * n, n, side=2) + networks.convs(2 * n, n, n)
  assert networks.count(variables['params']) == by_hand == 31_030_658


def test_skip_is_the_middle_of_the_encoders_map():
  """Kernels that pass on: the decoder's first channel is the image itself, cropped by the margin on every side."""
  module = networks.build('unet', (28, 32, 1), 1, depth=1, width=1, padding='valid', batch_norm=False)
  variables = networks.passing(module, (28, 32))
  x = np.abs(networks.images(1, (28, 32), 1))
  y = networks.apply(module, variables, x)
  assert y.shape == (1, 12, 16, 1)
  np.testing.assert_array_equal(y, x[:, 8:-8, 8:-8])


def test_upsampled_features_lie_over_the_same_pixels():
  """The other channel: the pooled image, every value over the 2x2 pixels that it is the maximum of."""
  module = networks.build('unet', (28, 32, 1), 1, depth=1, width=1, padding='valid', batch_norm=False)
  variables = networks.passing(module, (28, 32))
  params = variables['params']
  params['up1']['kernel'] = jnp.ones((2, 2, 2, 1)) * jnp.array([1.0, 0.0])[:, None]
  params['conv_up1_1']['kernel'] = params['conv_up1_1']['kernel'][:, :, ::-1]  # takes channel 1
  x = np.abs(networks.images(1, (28, 32), 1))
  maxima = x.reshape(1, 14, 2, 16, 2).max((2, 4)).repeat(2, 1).repeat(2, 2)[..., None]
  np.testing.assert_array_equal(networks.apply(module, variables, x), maxima[:, 8:-8, 8:-8])


def test_unpooling_matches_channels_and_switches():
  module = networks.build('unet', (16, 16, 3), 2, depth=2, width=4, upsample='unpool')
  found, logits, variables = networks.shapes(module, (16, 16))
  assert logits == (16, 16, 2)
  assert (found['match_up2'], found['match_up1']) == ((4, 4, 8), (8, 8, 4))
  assert variables['params']['up2']['kernel'].shape == (3, 3, 8, 8)


@pytest.mark.parametrize('side, near', [(571, '556 or 572'), (30, '188'), (187, '188')])
def test_sizes_without_padding(side, near):
  with pytest.raises(UserError, match=f'{side}x{side} does not fit; .* to {near}$'):
    networks.build('unet', (side, side, 1), 2, **unet.PAPER)
  for good in map(int, near.split(' or ')):
    assert unet.output_sides((good, good), (2,) * 4, 'valid') == (good - 184, good - 184)


def test_mistakes():
  for wrong, message in (
    (dict(padding='wide'), 'same, valid'),
    (dict(dropout=-0.1), 'model.dropout=-0.1'),
    (dict(padding='valid', upsample='unpool'), 'smaller maps'),
  ):
    with pytest.raises(UserError, match=message):
      UNetOptions(**wrong)
  with pytest.raises(UserError, match='multiples of 16'):
    networks.build('unet', (40, 64, 3), 2)
