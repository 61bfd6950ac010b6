"""The networks of restoration: the papers' sizes and parameter counts, their skips, and where they put a pixel."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.errors import UserError
from deconv.models import RESTORERS
from deconv.models.restorer import Restorer
from deconv.ops.resample import upsample_bicubic
from deconv.options import Experiment
from deconv.options.models import restorers

KEY = jax.random.key(0)
SCALES = {'conv_deconv': 4, 'srcnn': 2, 'fsrcnn': 3, 'espcn': 3, 'rednet': 1, 'context_encoder': 1, 'autoencoder': 1}

SMALL = {
  'conv_deconv': dict(widths=(4, 6, 4)),
  'srcnn': dict(widths=(6, 4)),
  'fsrcnn': dict(width=6, shrunk=4, depth=1),
  'espcn': dict(widths=(6, 4)),
  'rednet': dict(depth=6, width=4),
  'context_encoder': dict(width=4, bottleneck=8),
  'autoencoder': dict(width=4, depth=2),
}


def build(name, side=32, channels=1, scale=None, dtype=None, axis=None, **fields):
  """The network of the options of these fields, at the scale of SCALES where none is given."""
  return RESTORERS[name](
    restorers.MODELS[name](**fields),
    image_shape=(side, side, channels),
    scale=scale or SCALES[name],
    dtype=dtype,
    batch_norm_axis=axis,
  )


def shapes(module, side, channels=1):
  return jax.eval_shape(module.init, KEY, jnp.zeros((1, side, side, channels)))['params']


def weights(params, only='kernel'):
  """Number of values in the leaves of one name."""
  return sum(
    int(np.prod(leaf.shape)) for path, leaf in jax.tree_util.tree_leaves_with_path(params) if path[-1].key == only
  )


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_fsrcnn_has_the_papers_12464_weights(scale):
  params = shapes(build('fsrcnn', scale=scale), 11)
  assert weights(params) == 12_464  # Dong et al. 2016, table 1: without biases and slopes
  assert weights(params, 'slope') == 56 + 12 * 5 + 56 and weights(params, 'bias') == 56 + 12 * 5 + 56 + 1
  assert params['last']['kernel'].shape == (9, 9, 56, 1)


def test_counts_of_the_other_papers():
  assert weights(shapes(build('srcnn'), 11)) == 8_032  # 9-1-5
  assert weights(shapes(build('srcnn', kernel_sizes=(9, 5, 5)), 11)) == 57_184  # 9-5-5
  espcn = shapes(build('espcn', scale=4, upsample='subpixel'), 11)
  assert weights(espcn) + weights(espcn, 'bias') == 24_752 - 16 + 1  # 24.8K; ours has one bias a colour, not a phase
  assert [weights(shapes(build('rednet', depth=depth), 8)) for depth in (10, 20, 30)] == [296_064, 664_704, 1_033_344]
  assert weights(shapes(build('rednet', width=128), 8)) == 4_131_072  # "4,131K": Tai et al. 2017 (MemNet), table 1
  pair = shapes(build('conv_deconv', channels=3), 8, 3)
  assert [pair[name]['kernel'].shape for name in ('conv_1', 'conv_2', 'up_1', 'last')] == [
    (3, 3, 3, 32),
    (3, 3, 32, 64),
    (3, 3, 64, 32),
    (3, 3, 32, 3),
  ]


def test_context_encoder_is_the_authors_train_lua():
  """train.lua, wtl2 0.999, fineSize 128, nBottleneck 4000, ngf = nef = 64: every layer of netG."""
  params = shapes(build('context_encoder', 128, 3, output='centre'), 128, 3)
  kernels = [
    params[name]['kernel'].shape
    for name in (*(f'down_{i}' for i in range(1, 6)), 'code', 'uncode', *(f'up_{i}' for i in range(1, 4)), 'last')
  ]
  widths = [3, 64, 64, 128, 256, 512, 4000, 512, 256, 128, 64, 3]
  assert kernels == [(4, 4, *pair) for pair in itertools.pairwise(widths)]
  assert sum(name.startswith('norm') for name in params) == 4 + 2 + 3 and 'bias' not in params['down_2']


def test_channelwise_bottleneck_keeps_channels_apart():
  params = shapes(build('context_encoder', 32, bottleneck=0, width=8), 32)
  assert params['code']['kernel'].shape == (16, 16, 16)  # (positions, positions, channels)
  assert params['uncode']['kernel'].shape == (1, 1, 16, 32)


def drawn(module, x):
  """Variables of a module without its initialisers, whose programs take longer to compile than the network's."""
  rng, variables = np.random.default_rng(0), jax.eval_shape(module.init, KEY, x)

  def leaf(path, x):
    if path[-1].key == 'kernel':
      return rng.normal(size=x.shape).astype(np.float32) / np.sqrt(np.prod(x.shape[:-1]))
    return np.full(x.shape, {'scale': 1.0, 'var': 1.0, 'slope': 0.25}.get(path[-1].key, 0.0), np.float32)

  return jax.tree_util.tree_map_with_path(leaf, variables)


@pytest.mark.parametrize('name', RESTORERS)
def test_every_network_makes_the_size_and_trains(name):
  """Grey in, colour out; every parameter has a gradient."""
  side = 24 if SCALES[name] > 1 else 16
  module = build(name, side, 3, **SMALL[name])
  x = jax.random.uniform(KEY, (2, side // SCALES[name], side // SCALES[name], 1), minval=-1.0)
  variables = drawn(module, x)

  @jax.jit
  def run(params):
    def loss(params):
      y, _ = module.apply({**variables, 'params': params}, x, train=True, mutable=['batch_stats'])
      return jnp.sum(jnp.square(y - 0.3)), y

    return jax.grad(loss, has_aux=True)(params)

  grads, y = run(variables['params'])
  assert y.shape == (2, side, side, 3) and y.dtype == jnp.float32 and np.all(np.isfinite(y))
  for path, grad in jax.tree_util.tree_leaves_with_path(grads):
    assert np.any(np.asarray(grad)), path


# Where a pixel goes.


def identity_params(params):
  """Convolutions that pass channel 0 on; everything else 0, slopes of 1 (a linear PReLU)."""

  def leaf(path, x):
    if path[-1].key == 'slope':
      return jnp.ones(x.shape)
    if path[-1].key == 'kernel' and path[0].key != 'last':
      return jnp.zeros(x.shape).at[x.shape[0] // 2, x.shape[1] // 2, 0, 0].set(1.0)
    return jnp.zeros(x.shape)

  return jax.tree_util.tree_map_with_path(leaf, params)


@pytest.mark.parametrize('upsample, scale', [('deconv', 2), ('deconv', 3), ('deconv', 4), ('bilinear_deconv', 2)])
def test_bilinear_fsrcnn_does_not_shift_the_picture(upsample, scale):
  """The interpolation filter fits into the 9x9 window where the layer puts it: equal to bilinear resizing."""
  module = build('fsrcnn', scale=scale, upsample=upsample, **SMALL['fsrcnn'])
  params = identity_params(shapes(module, 8))
  small = ops.bilinear_kernel(scale)
  side = params['last']['kernel'].shape[0]
  # A tap k of the deconvolution writes to pixel scale * i + k - padding, the filter's first tap to scale * i - edge.
  first = -(-(side - scale) // 2) - -(-(len(small) - scale) // 2)
  kernel = np.zeros(params['last']['kernel'].shape)
  kernel[first : first + len(small), first : first + len(small), 0, 0] = small
  params['last']['kernel'] = jnp.asarray(kernel, jnp.float32)
  x = jax.random.uniform(KEY, (1, 8, 8, 1), minval=-1.0)
  wanted = jax.image.resize(x, (1, 8 * scale, 8 * scale, 1), 'linear')
  inside = (slice(None), slice(scale, -scale), slice(scale, -scale))
  np.testing.assert_allclose(jax.jit(module.apply)({'params': params}, x)[inside], wanted[inside], atol=1e-6)


@pytest.mark.parametrize(
  'name, upsample',
  [('fsrcnn', 'deconv'), ('espcn', 'subpixel'), ('conv_deconv', 'resize_nearest'), ('srcnn', 'deconv')],
)
def test_untrained_residual_network_is_nearly_bicubic(name, upsample):
  scale = 2 if name != 'conv_deconv' else 4
  module = build(name, scale=scale, residual='bicubic', upsample=upsample, **SMALL[name])
  x = jax.random.uniform(KEY, (1, 6, 6, 1), minval=-1.0)
  y, _ = jax.jit(module.init_with_output)(KEY, x)
  bicubic = jax.jit(upsample_bicubic, static_argnums=1)(x, scale)
  assert 0 < np.abs(y - bicubic).max() < 0.1 < np.abs(bicubic).max()


@pytest.mark.parametrize('stride', [1, 2])
def test_untrained_rednet_is_nearly_the_identity(stride):
  module = build('rednet', depth=6, width=8, stride=stride, channels=3)
  x = jax.random.uniform(KEY, (1, 8, 8, 1), minval=-1.0)
  y, _ = jax.jit(module.init_with_output)(KEY, x)
  assert y.shape == (1, 8, 8, 3) and 0 < np.abs(y - x).max() < 0.2


def test_rednet_skips_join_mirrored_layers():
  """With every deconvolution but the last cut, what is left is the skip of convolution 2, which joins at half - 2."""
  half = 5
  module = build('rednet', depth=2 * half, width=4)
  x = jax.random.uniform(KEY, (1, 6, 6, 1), minval=0.5)
  params = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes(module, 6))
  centre = lambda name, value: params[name]['kernel'].__setitem__((1, 1, 0, 0), value)
  for i in range(1, half + 1):
    centre(f'conv_{i}', 1.0 + i)
  centre('last', 1.0)
  run = jax.jit(module.apply)
  np.testing.assert_allclose(run({'params': params}, x), x, rtol=1e-6)  # nothing reaches deconvolution 4
  centre('deconv_4', 1.0)
  np.testing.assert_allclose(run({'params': params}, x), x + 2 * 3 * x, rtol=1e-5)  # convolutions 1 and 2
  centre('deconv_3', 1.0)
  centre('deconv_2', 1.0)
  np.testing.assert_allclose(run({'params': params}, x), x + 2 * 3 * x + 2 * 3 * 4 * 5 * x, rtol=1e-5)  # and 3 and 4


def test_odd_convolutions_have_no_skip():
  """RED20: ten convolutions, skips from 2, 4, 6, 8 to the deconvolutions 8, 6, 4, 2 and none from 10."""
  module = build('rednet', depth=20, width=2)
  params = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes(module, 4))
  for i in range(1, 11):
    params[f'conv_{i}']['kernel'][1, 1, 0, 0] = 1.0
  params['last']['kernel'][1, 1, 0, 0] = 1.0
  x, found = jnp.ones((1, 4, 4, 1)), []
  run = jax.jit(module.apply)
  for start in range(9, 0, -1):  # deconvolutions start, ..., 9 pass on
    params[f'deconv_{start}']['kernel'][1, 1, 0, 0] = 1.0
    found.append(float(run({'params': params}, x)[0, 2, 2, 0]) - 1)
  assert found == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0]  # the last through all ten convolutions


def test_centre_output_leaves_the_rest_alone():
  module = build('context_encoder', 32, output='centre', width=4, bottleneck=8)
  x = jax.random.uniform(KEY, (2, 32, 32, 1), minval=-1.0)
  y = np.asarray(jax.jit(module.apply)(drawn(module, x), x))
  changed = y != np.asarray(x)
  assert changed[:, 8:24, 8:24].all() and changed.sum() == 2 * 16 * 16


def test_autoencoder_sees_nothing_but_the_code():
  module = build('autoencoder', 16, width=4, depth=2, code=2)
  x = jax.random.uniform(KEY, (1, 16, 16, 1), minval=-1.0)
  variables = drawn(module, x)
  codes = jax.jit(functools.partial(module.apply, method='encode'))(variables, x)
  assert codes.shape == (1, 4, 4, 2) and module.multiple == 4
  decoded = jax.jit(functools.partial(module.apply, method='decode'))(variables, codes)
  np.testing.assert_allclose(decoded, jax.jit(module.apply)(variables, x), atol=1e-6)


# What the task and whole pictures ask of a network.


@pytest.mark.parametrize(
  'name, scale, fields, multiple, fixed_side, centre_only',
  [
    ('conv_deconv', 4, {}, 1, None, False),
    ('srcnn', 2, {}, 1, None, False),
    ('srcnn', 1, {}, 1, None, False),
    ('fsrcnn', 3, {}, 1, None, False),
    ('espcn', 3, {}, 1, None, False),
    ('rednet', 1, {}, 1, None, False),
    ('rednet', 3, {}, 1, None, False),
    ('rednet', 1, {'stride': 2}, 2, None, False),
    ('rednet', 2, {'stride': 2}, 1, None, False),  # enlarged at first, to an even size
    ('rednet', 3, {'stride': 2}, 2, None, False),
    ('autoencoder', 1, {'depth': 2}, 4, None, False),
    ('autoencoder', 2, {'depth': 2}, 2, None, False),
    ('autoencoder', 4, {'depth': 2}, 1, None, False),
    ('autoencoder', 3, {'depth': 2}, 4, None, False),
    ('autoencoder', 8, {'depth': 2}, 1, None, False),
    ('context_encoder', 1, {}, 1, 16, False),
    ('context_encoder', 1, {'output': 'centre'}, 1, 16, True),
  ],
  ids=str,
)
def test_a_network_says_which_sizes_it_takes(name, scale, fields, multiple, fixed_side, centre_only):
  """And takes these, and no others than the multiples, as the shape of its result says."""
  module = build(name, 48 if name != 'context_encoder' else 16, scale=scale, **{**SMALL[name], **fields})
  assert isinstance(module, Restorer)
  assert (module.multiple, module.fixed_side, module.centre_only) == (multiple, fixed_side, centre_only)
  for side in (fixed_side,) if fixed_side else range(4, 4 + 2 * multiple):
    try:
      y, _ = jax.eval_shape(module.init_with_output, KEY, jnp.zeros((1, side, side, 1)))
      fits = y.shape == (1, scale * side, scale * side, 1)
    except (TypeError, ValueError):
      fits = False
    assert fits == (side % multiple == 0), side


@pytest.mark.parametrize('name', RESTORERS)
def test_networks_are_static(name):
  """Hashable, so that they may be arguments of a compiled function; equal where their options are."""
  module, again = build(name, **SMALL[name]), build(name, **SMALL[name])
  assert hash(module) == hash(again) and module == again
  assert module.options == restorers.MODELS[name](**SMALL[name]) and module != build(name, channels=3, **SMALL[name])


@pytest.mark.parametrize('name', RESTORERS)
def test_bfloat16_computes_in_bfloat16_and_keeps_float32(name):
  side = 24 if SCALES[name] > 1 else 16
  module = build(name, side, dtype=jnp.bfloat16, **SMALL[name])
  x = jnp.zeros((1, side // SCALES[name], side // SCALES[name], 1))

  def run(x):
    variables = module.init(KEY, x)
    y, captured = module.apply(variables, x, capture_intermediates=True, mutable=['intermediates'])
    return y, captured['intermediates']['last']['__call__'][0], variables

  y, last, variables = jax.eval_shape(run, x)
  assert y.dtype == jnp.float32 and last.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype('float32')}


def test_batch_norm_takes_the_statistics_of_all_devices():
  """Of the mapped axis that the builder is given, and of each device's own share without."""
  images, means = jax.random.normal(KEY, (2, 3, 16, 16, 1)), []
  for axis in ('batch', None):
    module = build('context_encoder', 16, axis=axis, **SMALL['context_encoder'])
    variables = drawn(module.clone(axis_name=None), images[0])
    step = functools.partial(module.apply, variables, train=True, mutable=['batch_stats'])
    _, new = jax.jit(jax.vmap(step, axis_name='batch'))(images)
    means.append(np.asarray(new['batch_stats']['norm_down_2']['mean']))
  np.testing.assert_allclose(means[0], np.broadcast_to(means[1].mean(0), (2, 4)), rtol=1e-4, atol=1e-6)
  assert np.abs(means[1][0] - means[1][1]).max() > 1e-5


# Mistakes: in the options of a network, beside the scale, and in the size of the images.


@pytest.mark.parametrize(
  'name, fields, part',
  [
    ('conv_deconv', dict(widths=()), 'must be one or more numbers of at least 1'),
    ('conv_deconv', dict(widths=(8, 0)), 'must be one or more numbers of at least 1'),
    ('conv_deconv', dict(kernel_size=0), 'model.kernel_size=0 must be at least 1'),
    ('conv_deconv', dict(residual='nearest'), "model.residual is 'nearest'"),
    ('srcnn', dict(upsample='subpixel'), "model.upsample='subpixel' has no effect"),
    ('srcnn', dict(kernel_sizes=(9, 5)), 'one more than'),
    ('srcnn', dict(widths=(8, 0)), 'must be at least 1'),
    ('srcnn', dict(residual='bilinear'), "model.residual is 'bilinear'"),
    ('fsrcnn', dict(depth=-1), 'model.depth=-1 must not be negative'),
    ('fsrcnn', dict(shrunk=0), 'model.shrunk=0 must be at least 1'),
    ('fsrcnn', dict(residual='bilinear'), "model.residual is 'bilinear'"),
    ('espcn', dict(residual='bilinear'), "model.residual is 'bilinear'"),
    ('espcn', dict(widths=(8,)), 'has two'),
    ('espcn', dict(widths=(8, 0)), 'must be at least 1'),
    ('rednet', dict(depth=7), 'model.depth=7 must be even'),
    ('rednet', dict(depth=2), 'model.depth=2 must be even and at least 4'),
    ('rednet', dict(stride=3), 'model.stride=3'),
    ('rednet', dict(skip_step=0), 'model.skip_step=0 must be at least 1'),
    ('rednet', dict(upsample='subpixel'), 'set model.stride=2'),
    ('context_encoder', dict(output='center'), "model.output is 'center'"),
    ('context_encoder', dict(bottleneck=-1), 'model.bottleneck=-1 must not be negative'),
    ('context_encoder', dict(batch_norm_momentum=1.0), 'model.batch_norm_momentum=1.0 must be at least 0 and below 1'),
    ('autoencoder', dict(depth=0), 'model.depth=0 and model.code=8 must both be at least 1'),
    ('autoencoder', dict(code=0), 'model.depth=3 and model.code=0 must both be at least 1'),
    ('autoencoder', dict(width=0), 'model.width=0 must be at least 1'),
  ],
  ids=str,
)
def test_mistakes_in_the_options_are_one_sentence(name, fields, part):
  with pytest.raises(UserError) as error:
    restorers.MODELS[name](**fields)
  assert part in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(
  'name, scale, part',
  [
    ('conv_deconv', 3, 'by 2, 4, 8, ..., not by 3'),
    ('conv_deconv', 1, 'by 2, 4, 8, ..., not by 1'),
    ('fsrcnn', 1, 'by 2 or more, not by 1'),
    ('espcn', 1, 'by 2 or more, not by 1'),
    ('context_encoder', 2, 'does not enlarge by 2'),
  ],
)
def test_scales_that_a_network_does_not_have(name, scale, part):
  config = {
    'task': 'restoration',
    'model': {'name': name},
    'degrade': {'scale': scale},
    'data': {'channels': 3, 'image_size': 48},
  }
  with pytest.raises(UserError) as error:
    Experiment.from_config(config)
  assert f"model.name='{name}'" in str(error.value) and part in str(error.value)


@pytest.mark.parametrize('name', RESTORERS)
def test_scales_that_a_network_has(name):
  """Where the network enlarges by itself, more than 1; where it is enlarged before, any."""
  for scale in {'conv_deconv': (2, 4, 8), 'fsrcnn': (2, 3), 'espcn': (2, 3), 'context_encoder': (1,)}.get(name, (1, 3)):
    experiment = Experiment.from_config(
      {
        'task': 'restoration',
        'model': {'name': name},
        'degrade': {'scale': scale},
        'data': {'channels': 3, 'image_size': 48},
      }
    )
    assert experiment.degrade.scale == scale


@pytest.mark.parametrize(
  'name, fields, part',
  [
    ('rednet', dict(side=33, stride=2), 'model.stride=2 halves the image, whose sides 33x33 must be even'),
    ('context_encoder', dict(side=48), 'not 48x48'),
    ('context_encoder', dict(side=8), 'not 8x8'),
    ('autoencoder', dict(side=36), 'multiple of 8'),
  ],
  ids=str,
)
def test_sizes_that_a_network_cannot_take(name, fields, part):
  with pytest.raises(UserError) as error:
    build(name, **fields)
  assert part in str(error.value)
