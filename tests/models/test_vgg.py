"""The encoder against VGG-16's table and a network done by hand; the decoder's switches; scales of pixels; mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import vgg
from deconv.options import Experiment
from deconv.options.models.segmenters import VGG16, FcnOptions, UNetOptions, VggOptions
from tests.models import networks


def make_encoder(convs, width, *, batch_norm=False, pixels='signed'):
  options = VggOptions(depth=len(convs), width=width, convs=convs, batch_norm=batch_norm, pixels=pixels)
  return vgg.Encoder(options, vgg.block_of(options, jnp.float32, None))


def test_vgg16_layer_by_layer():
  encoder = make_encoder((2, 2, 3, 3, 3), 64)

  def run(x):
    variables = encoder.init(networks.KEY, x, train=False)
    return variables, encoder.apply(variables, x, train=False)

  variables, (bottom, stages) = jax.eval_shape(run, jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32))
  assert bottom.shape == (1, 7, 7, 512)
  assert [stage.features.shape[1:] for stage in stages] == [
    (224, 224, 64),
    (112, 112, 128),
    (56, 56, 256),
    (28, 28, 512),
    (14, 14, 512),
  ]
  assert [stage.switches.shape for stage in stages] == [stage.pooled.shape for stage in stages]
  by_hand = networks.convs(3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
  assert networks.count(variables) == by_hand == 14_714_688
  assert variables['params']['conv3_1']['kernel'].shape == (3, 3, 128, 256)
  assert 'batch_stats' not in variables


def test_batch_norm_takes_the_place_of_the_bias():
  variables = networks.random(make_encoder((1, 2), 4, batch_norm=True), (8, 8))
  assert set(variables['params']) == {'conv1_1', 'norm1_1', 'conv2_1', 'norm2_1', 'conv2_2', 'norm2_2'}
  assert set(variables['params']['conv1_1']) == {'kernel'}
  assert set(variables['params']['norm2_1']) == {'scale', 'bias'}
  assert set(variables['batch_stats']['norm2_2']) == {'mean', 'var'}


def test_channels_stop_at_eight_times_the_width():
  assert vgg.channels(16, 6) == (16, 32, 64, 128, 128, 128)


def test_kernels_are_he_normal():
  kernel = np.asarray(networks.init(make_encoder((2,), 64), (8, 8))['params']['conv1_2']['kernel'])
  assert abs(kernel.std() / np.sqrt(2 / (9 * 64)) - 1) < 0.03


def test_odd_sides_pool_as_caffe_does():
  x = networks.images(1, (5, 7), 1)
  encoder = make_encoder((1,), 1)
  variables = networks.passing(encoder, (5, 7))
  pooled = networks.apply(encoder, variables, x)[0]
  expected = [[max(0, x[0, i : i + 2, j : j + 2, 0].max()) for j in range(0, 7, 2)] for i in range(0, 5, 2)]
  np.testing.assert_array_equal(pooled[0, :, :, 0], expected)


def test_decoder_puts_values_where_its_switches_say():
  """With kernels that pass on, the decoder is unpooling: a moved switch moves the output, the rest stays zero."""
  options = VggOptions(depth=2, width=1, convs=(1, 1), batch_norm=False)
  decoder = vgg.MirroredDecoder(
    options, 'unpool', vgg.block_of(options, jnp.float32, None), num_classes=0, side_classes=0
  )
  x = jnp.full((1, 1, 1, 2), 3.0)  # the stage above has half the channels
  deep = jnp.array([3, 0]).reshape(1, 1, 1, 2)  # pixel (1, 1) of 2x2 for channel 0
  shallow = jnp.array([[1, 2], [8, 15]]).reshape(1, 2, 2, 1)  # the window of (1, 1) chose (3, 3) of 4x4
  run = jax.jit(lambda v, shallow: decoder.apply(v, x, [shallow, deep], train=False))
  variables = jax.eval_shape(lambda: decoder.init(networks.KEY, x, [shallow, deep], train=False))
  variables = networks.edit(
    variables, lambda name, leaf: networks.delta(leaf) if 'kernel' in name else np.zeros(leaf.shape)
  )
  y = np.asarray(run(variables, shallow))
  assert y.shape == (1, 4, 4, 1) and y[0, 3, 3, 0] == 3 and np.count_nonzero(y) == 1
  y = np.asarray(run(variables, shallow.at[0, 1, 1].set(14)))
  assert y[0, 3, 2, 0] == 3 and np.count_nonzero(y) == 1
  with pytest.raises(AssertionError, match='not undone'):
    decoder.apply(variables, x, [shallow, shallow, deep], train=False)


def test_scales_of_pixels():
  red = np.array([1.0, -1.0, 0.0], np.float32).reshape(1, 1, 1, 3)
  np.testing.assert_array_equal(vgg.scale_pixels(red, 'signed'), red)
  np.testing.assert_allclose(
    vgg.scale_pixels(red, 'imagenet')[0, 0, 0],
    [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.5 - 0.406) / 0.225],
    rtol=1e-5,
  )
  np.testing.assert_allclose(
    vgg.scale_pixels(red, 'caffe')[0, 0, 0], [127.5 - 104.008, 0 - 116.669, 255 - 122.675], rtol=1e-5
  )  # blue, green, red


def test_the_encoder_scales_its_pixels():
  x, pixels = networks.images(1, (2, 2)), 'caffe'
  plain = make_encoder((1,), 4)
  variables = networks.random(plain, (2, 2))
  pooled = networks.apply(make_encoder((1,), 4, pixels=pixels), variables, x)[0]
  np.testing.assert_allclose(pooled, networks.apply(plain, variables, vgg.scale_pixels(x, pixels))[0], rtol=1e-4)


FIELDS = dict(depth=2, width=4, convs=(), pixels='signed')


def test_fields():
  assert UNetOptions(**FIELDS).stages == (2, 2)
  assert UNetOptions(**{**FIELDS, 'convs': [1, 3]}).stages == (1, 3)
  assert UNetOptions(**{**FIELDS, **VGG16, 'weights': 'vgg.npz'}).stages == (2, 2, 3, 3, 3)
  for wrong, message in (
    (dict(depth=0), 'unet: model.depth=0'),
    (dict(width=0), 'model.width=0'),
    (dict(convs=(2,)), 'one number.*each of the 2'),
    (dict(convs=(2, 0)), 'at least 1'),
    (dict(pixels='rgb'), 'signed, imagenet, caffe'),
    (dict(batch_norm_momentum=1.0), 'batch_norm_momentum=1.0 must be at least 0 and below 1'),
    (dict(weights='vgg.npz'), r'\(2, 2, 3, 3, 3\); they are 2, 4'),
  ):
    with pytest.raises(UserError, match=message):
      UNetOptions(**{**FIELDS, **wrong})


@pytest.mark.parametrize('name', ['fcn', 'deconvnet', 'segnet', 'unet'])
def test_scales_of_rgb_need_colours(name):
  config = {'task': 'segmentation', 'model': {'name': name, 'pixels': 'caffe'}}
  Experiment.from_config({**config, 'data': {'class_names': ('a', 'b'), 'channels': 3}})
  with pytest.raises(UserError, match='data.channels is 1'):
    Experiment.from_config({**config, 'data': {'class_names': ('a', 'b'), 'channels': 1}})


def test_a_block_is_what_the_options_say():
  block = vgg.block_of(FcnOptions(batch_norm=False, batch_norm_momentum=0.75), jnp.bfloat16, 'batch')
  assert block == vgg.Block(batch_norm=False, momentum=0.75, axis_name='batch', dtype=jnp.bfloat16)


@pytest.mark.parametrize('height, width, near', [(33, 32, '32 or 48'), (16, 8, '16'), (64, 70, '64 or 80')])
def test_sides_that_cannot_be_halved(height, width, near):
  with pytest.raises(UserError, match=f'multiples of 16, not {height}x{width}; .* to {near},'):
    vgg.check_sides('segnet', height, width, 16)
  vgg.check_sides('segnet', 48, 16, 16)
