"""What every segmentation network promises: any kind of upsampling, any size, alignment, statistics, dropout, types."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import layers, ops
from deconv.configs import base
from deconv.errors import UserError
from deconv.models import SEGMENTERS
from deconv.options import Experiment
from deconv.options.models import segmenters
from tests.models import networks

TINY = dict(depth=2, width=4)
# FCN's scores start at zero, so that hardly anything would reach its output.
FIELDS = {
  'fcn': dict(skips=1, fc_width=6),
  'deconvnet': dict(fc_kernel=1, fc_width=6),
  'segnet': {},
  'unet': {},
  'linknet': dict(blocks=1),
}


def build(name, **fields):
  return networks.build(name, (16, 16, 3), 3, **{**TINY, **FIELDS[name], **fields})


@functools.cache
def noisy(name):
  """A network and variables without zeros."""
  module = build(name)
  variables = networks.random(module, (16, 16))
  return module, variables


@pytest.mark.parametrize('kind', ['paper', *layers.KINDS])
@pytest.mark.parametrize('name', SEGMENTERS)
def test_every_kind_of_upsampling(name, kind):
  if kind == 'unpool' and name in ('fcn', 'linknet'):
    with pytest.raises(UserError, match="cannot upsample by 'unpool'"):
      build(name, upsample=kind)
    return
  _, logits, _ = networks.shapes(build(name, upsample=kind), (16, 16))
  assert logits == (16, 16, 3)


def test_own_kinds():
  kernels = {
    'fcn': None,
    'deconvnet': ('decoder', 'deconv2_2', 3),
    'segnet': ('decoder', 'deconv2_2', 3),
    'unet': ('up2', 2),
    'linknet': ('up2', 3),
  }
  for name, place in kernels.items():
    _, _, variables = networks.shapes(build(name), (16, 16))
    if place is None:
      assert 'up' not in variables['params']  # fixed
    else:
      *path, side = place
      layer = functools.reduce(lambda tree, key: tree[key], path, variables['params'])
      assert layer['kernel'].shape[0] == side


@pytest.mark.parametrize('name', SEGMENTERS)
def test_the_fields_of_a_config_are_the_builders(name):
  config = base.get_config(model=name, task='segmentation')
  assert config.model.upsample == 'paper'
  config.data.class_names = ('a', 'b')
  options = Experiment.from_config(config).model
  module = SEGMENTERS[name](
    options, image_shape=(64, 64, 3), num_classes=6, side_scores=False, dtype=jnp.float32, batch_norm_axis=None
  )
  assert module.options == options == segmenters.MODELS[name]()
  assert hash(module) == hash(module.clone())  # may be a static argument
  assert networks.shapes(module, (64, 64))[1] == (64, 64, 6)


@pytest.mark.parametrize('name', SEGMENTERS)
def test_side_scores_are_there_where_they_are_asked_for(name):
  """A score of the map before each doubling; without them, and in FCN always, no parameter and no output of theirs."""

  def side_scores(module):
    def run(x):
      variables = module.init(networks.KEY, x, train=False)
      return variables, module.apply(variables, x, train=False, mutable=['side_scores'])[1]

    variables, sown = jax.eval_shape(run, jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32))
    layers_ = {'/'.join(part.key for part in path) for path, _ in jax.tree_util.tree_leaves_with_path(variables)}
    return ([path for path in layers_ if 'side_score' in path], sorted(leaf.shape for leaf in jax.tree.leaves(sown)))

  assert side_scores(build(name)) == ([], [])
  if not segmenters.MODELS[name].has_side_scores:
    with pytest.raises(AssertionError, match='refuse deep supervision'):
      build(name, side_scores=True)
    return
  params, sown = side_scores(build(name, side_scores=True))
  assert len(params) == 4 and sown == [(1, 4, 4, 3), (1, 8, 8, 3)]


def test_another_model_keeps_the_encoder():
  config = base.get_config(model='unet', task='segmentation')
  config.model.width = 8
  base.set_model(config, 'fcn')
  assert (config.model.name, config.model.width, config.model.upsample) == ('fcn', 8, 'paper')
  config.model.upsample = 'subpixel'
  base.set_model(config, 'segnet')
  assert config.model.upsample == 'subpixel'
  with pytest.raises(UserError, match="model.name is 'dcgan'; choose one of: fcn, deconvnet, segnet, unet, linknet"):
    base.set_model(config, 'dcgan')


@pytest.mark.parametrize('name', SEGMENTERS)
def test_fully_convolutional(name):
  """The same variables at another size: an image moved by 2**depth pixels moves the logits, away from the border."""
  module, variables = noisy(name)
  x = networks.images(1, (16, 68))
  run = jax.jit(lambda x: module.apply(variables, x, train=False))
  y, moved = np.asarray(run(x[:, :, :64])), np.asarray(run(x[:, :, 4:]))
  assert y.shape == (1, 16, 64, 3)
  np.testing.assert_allclose(y[:, :, 32:36], moved[:, :, 28:32], rtol=1e-3, atol=1e-3 * np.abs(y).max())
  assert np.std(y[:, :, 32:36, 0]) > 1e-3


@pytest.mark.parametrize('name', ['fcn', 'deconvnet', 'segnet', 'unet'])  # linknet's 3x3 windows of stride 2 lie askew
def test_alignment(name):
  """With kernels that are their own mirror image, the logits of a mirrored image are the mirrored logits: nothing in
  encoder, skips or upsampling is off by a pixel or half of one."""
  module, variables = noisy(name)

  def even(path, leaf):
    if 'encoder' in path:  # keeps every unit above zero: of equal values, zeros too, a pooling takes the first
      leaf = -np.abs(leaf) if path.endswith('mean') else np.abs(leaf)
    return (leaf + leaf[::-1, ::-1]) / 2 if path.endswith('kernel') else leaf

  variables = networks.edit(variables, even)
  x = np.abs(networks.images(2, (16, 16)))
  run = jax.jit(lambda x: module.apply(variables, x, train=False))
  y = np.asarray(run(x))
  np.testing.assert_allclose(run(x[:, ::-1, ::-1]), y[:, ::-1, ::-1], rtol=1e-3, atol=1e-3 * np.abs(y).max())
  assert np.abs(y - y[:, ::-1, ::-1]).max() > 0.01 * np.abs(y).max()


@pytest.mark.parametrize('name', SEGMENTERS)
def test_training_reaches_every_parameter_and_moves_the_statistics(name):
  module, variables = noisy(name)
  x = networks.images(4, (16, 16))
  target = networks.images(4, (16, 16), seed=1)

  @jax.jit
  def step(params):
    def loss(params):
      y, new = module.apply({**variables, 'params': params}, x, train=True, mutable=['batch_stats'])
      return jnp.mean((y - target) ** 2), new['batch_stats']

    return jax.grad(loss, has_aux=True)(params)

  grads, stats = step(variables['params'])
  for path, leaf in jax.tree_util.tree_leaves_with_path(grads):
    assert np.all(np.isfinite(leaf)) and np.any(leaf != 0), path
  changed = jax.tree.map(lambda a, b: np.any(a != b), stats, variables['batch_stats'])
  assert all(jax.tree.leaves(changed))


@pytest.mark.parametrize('name', ['unet', 'linknet'])  # linknet makes a block of its own
def test_momentum_is_the_decay_of_the_statistics(name):
  """By the first layer: 0.75 of the old statistics and a quarter of those of its convolution's output."""

  def first(tree, kind):
    return tree['encoder'][f'{kind}1_1'] if name == 'unet' else tree[f'{kind}_stem']

  module, (_, variables), x = build(name, batch_norm_momentum=0.75), noisy(name), networks.images(4, (16, 16))
  new = jax.jit(
    lambda x: first(module.apply(variables, x, train=True, mutable=['batch_stats'])[1]['batch_stats'], 'norm')
  )(x)
  old, y = first(variables['batch_stats'], 'norm'), ops.conv(x, first(variables['params'], 'conv')['kernel'], padding=1)
  np.testing.assert_allclose(new['mean'], 0.75 * old['mean'] + 0.25 * y.mean((0, 1, 2)), atol=1e-5)
  np.testing.assert_allclose(new['var'], 0.75 * old['var'] + 0.25 * y.var((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize('name', ['fcn', 'unet'])
def test_dropout(name):
  module = build(name, dropout=0.5, batch_norm=False)
  variables = networks.random(module, (16, 16))
  x = networks.images(1, (16, 16))
  run = jax.jit(lambda key: module.apply(variables, x, train=True, rngs={'dropout': key}))
  one, two = run(jax.random.key(1)), run(jax.random.key(2))
  assert np.any(one != two)
  np.testing.assert_array_equal(one, run(jax.random.key(1)))
  exact = networks.apply(module, variables, x)  # no key needed
  assert np.any(exact != one)


def test_statistics_over_a_mapped_axis():
  """batch_norm_axis: halves of a batch normalise as the whole does."""
  module, variables = noisy('segnet')
  mapped = build('segnet', batch_norm_axis='batch')
  x = networks.images(4, (16, 16))
  run = lambda module, x: module.apply(variables, x, train=True, mutable=['batch_stats'])
  whole, stats = jax.jit(lambda: run(module, x))()
  halves, mapped_stats = jax.jit(
    lambda: jax.vmap(lambda x: run(mapped, x), axis_name='batch')(x.reshape(2, 2, 16, 16, 3))
  )()
  np.testing.assert_allclose(halves.reshape(whole.shape), whole, rtol=1e-3, atol=1e-3)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-3, atol=1e-4), mapped_stats, stats)


@pytest.mark.parametrize('name', SEGMENTERS)
def test_bfloat16_is_for_computing_only(name):
  module = build(name, dtype=jnp.bfloat16)

  def run(x):
    variables = module.init(networks.KEY, x, train=False)
    _, captured = module.apply(variables, x, train=False, capture_intermediates=True, mutable=['intermediates'])
    return variables, captured['intermediates'], module.apply(variables, x, train=False)

  variables, captured, logits = jax.eval_shape(run, jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32))
  assert logits.dtype == jnp.float32
  assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype('float32')}
  layers_ = [leaf.dtype for leaf in jax.tree.leaves(captured)]
  assert layers_.count(jnp.dtype('bfloat16')) > 10
