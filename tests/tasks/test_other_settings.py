"""A step, an evaluation and pictures of every task under settings of JAX that are the user's."""

import contextlib

import jax
import numpy as np
import pytest

from deconv.configs import base
from deconv.rng import stream
from deconv.tasks import TASKS
from deconv.training import experiment

COMMON = {
  'compilation_cache': '',
  'train.batch_size': 4,
  'train.steps': 2,
  'eval.batch_size': 4,
  'samples.num': 4,
  'data.workers': 1,
  'train.ema_decay': 0.9,
  'eval.evaluators': (),
}
TINY = {
  'classification': ('cnn', {'data.image_size': 8, 'model.widths': (4,), 'model.hidden': (4,)}),
  'gan': ('dcgan', {'data.image_size': 8, 'model.width': 4, 'model.latent_size': 4}),
  'vae': (
    'vae_mlp',
    {
      'data.image_size': 4,
      'model.hidden': 4,
      'model.latent_size': 2,
      'eval.importance_samples': 4,
      'eval.importance_chunk': 2,
    },
  ),
  'factor_vae': (
    'vae_mlp',
    {'data.image_size': 4, 'model.hidden': 4, 'model.latent_size': 2, 'objective.disc_hidden': 4},
  ),
  'inverse_graphics': (
    'vae_mlp',
    {
      'data.source': 'heads',
      'data.image_size': 8,
      'model.hidden': 4,
      'model.latent_size': 5,
      'data.vary': (1.0, 1.0, 1.0, 1.0),
      'objective.invariance': 1.0,
    },
  ),
  'restoration': (
    'context_encoder',
    {
      'data.image_size': 16,
      'model.width': 4,
      'model.bottleneck': 8,
      'degrade.hole': 'box',
      'objective.colour': 'grey',
      'objective.adversarial': 0.01,
      'objective.disc_width': 4,
    },
  ),
  'segmentation': (
    'unet',
    {
      'data.source': 'digit_scenes',
      'data.image_size': 16,
      'data.channels': 3,
      'model.depth': 1,
      'model.width': 4,
      'data.class_names': ('photo', *'0123456789'),
      'augment.rotate_degrees': 10.0,
    },
  ),
  'sparse_coding': (
    'deconvolutional_network',
    {
      'data.image_size': 8,
      'data.per_class': 1,
      'model.maps': (2, 3),
      'model.kernel_sizes': (3, 3),
      'model.connectivity': ('full', 'singles_and_doubles'),
      'objective.num_images': 10,
      'objective.layer_steps': (1,),
      'train.ema_decay': 0.0,
    },
  ),
}


# What else an objective, a degradation or an augmentation may be: only traced.
VARIANTS = [
  ('gan', {'objective.update_order': 'alternate', 'objective.name': 'minimax', 'eval.batch_stats': 'batch'}),
  ('vae', {'objective.name': 'iwae', 'objective.samples': 3}),
  (
    'vae',
    {
      'objective.name': 'beta_tc',
      'objective.likelihood': 'logistic_mixture',
      'data.channels': 3,
      'objective.binarization': 'grey',
    },
  ),
  ('vae', {'objective.name': 'dip_i', 'objective.likelihood': 'gaussian_fixed', 'objective.binarization': 'grey'}),
  ('vae', {'objective.name': 'dip_ii', 'objective.likelihood': 'gaussian_pixel', 'objective.binarization': 'grey'}),
  ('vae', {'objective.name': 'capacity', 'objective.likelihood': 'gaussian_learned', 'objective.binarization': 'grey'}),
  ('vae', {'objective.binarization': 'static', 'train.dtype': 'bfloat16'}),
  ('restoration', {'degrade.hole': 'strokes', 'objective.adversarial': 0.0}),
  (
    'restoration',
    {
      'degrade.hole': 'pixels',
      'objective.adversarial': 0.0,
      'objective.ssim': 0.1,
      'objective.total_variation': 0.1,
      'objective.charbonnier': 0.1,
    },
  ),
  (
    'restoration',
    {
      'model.name': 'fsrcnn',
      'degrade.hole': 'none',
      'degrade.scale': 2,
      'data.channels': 3,
      'objective.colour': 'y',
      'objective.adversarial': 0.0,
      'augment.turns': True,
    },
  ),
  (
    'restoration',
    {
      'model.name': 'rednet',
      'degrade.hole': 'none',
      'data.channels': 3,
      'objective.colour': 'rgb',
      'degrade.noise_sigma_max': 50.0,
      'degrade.jpeg_quality': 10,
      'degrade.jpeg_quality_max': 90,
      'degrade.salt_pepper': 0.1,
      'degrade.blur_sigma': 1.0,
      'objective.adversarial': 0.0,
    },
  ),
  ('sparse_coding', {'objective.inference': 'fista', 'objective.power': (0.8,), 'objective.contrast': 'global'}),
  ('sparse_coding', {'objective.inference': 'admm', 'objective.contrast': 'none'}),
  (
    'segmentation',
    {
      'augment.elastic_sigma': 2.0,
      'augment.brightness': 0.1,
      'augment.contrast': 0.1,
      'augment.saturation': 0.1,
      'augment.hue': 0.1,
      'augment.scale_max': 1.5,
      'augment.flip': True,
    },
  ),
  (
    'segmentation',
    {
      'objective.class_weights': 'median_frequency',
      'objective.dice': 1.0,
      'objective.focal': 1.0,
      'objective.lovasz': 1.0,
      'objective.deep_supervision': 0.5,
    },
  ),
]


@contextlib.contextmanager
def refusing():
  """The settings that only refuse, together: what each of them would raise, it raises here."""
  with (
    jax.numpy_rank_promotion('raise'),
    jax.numpy_dtype_promotion('strict'),
    jax.checking_leaks(),
    jax.debug_nans(True),
  ):
    yield


def prepare(task, variant=()):
  model, overrides = TINY[task]
  overrides = {**COMMON, **overrides, **dict(variant)}
  model = overrides.pop('model.name', model)
  config = base.get_config(model=model, task=task)
  config.update_from_flattened_dict(
    {name: value for name, value in overrides.items() if not name.startswith('model.') or name[6:] in config.model}
  )
  return experiment.prepare(config)


def types(tree):
  return jax.tree.map(lambda x: (np.shape(x), np.asarray(x).dtype.name), tree)


def programs(run):
  """The training and the evaluation step, traced."""
  batch = run.batches.at(0)
  state = jax.eval_shape(run.task.init, run.key, batch)
  weighted = {**batch, 'weight': np.float32([1, 1, 1, 0])}
  return [
    jax.jit(step).trace(state, one, run.key)
    for step, one in ((run.task.train_step, batch), (run.task.eval_step, weighted))
  ]


def smoke(task):
  """Returns what a run makes, in order: the state's types, scalars, metrics and pictures."""
  run = prepare(task)
  batch = run.batches.at(0)
  state = run.task.init(stream(run.key, 'init'), batch)
  start = types(state)
  state, scalars = jax.jit(run.task.train_step)(state, batch, run.key)
  assert types(state) == start
  assert all(np.isfinite(x) for x in scalars.values())
  sums = jax.jit(run.task.eval_step)(state, {**batch, 'weight': np.float32([1, 1, 1, 0])}, run.key)
  metrics = run.task.summarize(jax.tree.map(np.asarray, sums))
  return start, jax.tree.map(np.asarray, scalars), metrics, run.task.pictures(state, batch, run.key)


def test_no_task_is_left_out():
  assert set(TINY) == set(TASKS)


@pytest.mark.parametrize('task', TINY)
def test_a_run_under_each_setting(task):
  """A run with 64 bits makes the numbers and pictures of one in which everything is refused that can be."""
  with refusing():
    types_there, *want = smoke(task)
  with jax.enable_x64(True):
    types_here, *got = smoke(task)
  assert types_here == types_there
  assert types(got[0]) == types(want[0]) and set(got[1]) == set(want[1]) and set(got[2]) == set(want[2])
  for a, b in zip(jax.tree.leaves(got[:2]), jax.tree.leaves(want[:2])):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
  for name in got[2]:
    assert np.mean(got[2][name] != want[2][name]) < 0.02, name  # a level more or less here and there


@pytest.mark.parametrize('i', range(len(VARIANTS)))
def test_variants_are_traced_to_the_same_types(i):
  def results():
    return [jax.tree.map(lambda x: (x.shape, x.dtype.name), program.out_info) for program in programs(run)]

  run = prepare(*VARIANTS[i])
  want = results()
  with refusing():
    assert results() == want
  with jax.enable_x64(True):
    assert results() == want


def sums_in(jaxpr):
  """Yields the precision of every product that leaves fewer than two axes: sums do, the layers of a network do not."""
  for equation in jaxpr.eqns:
    if equation.primitive.name == 'dot_general' and equation.outvars[0].aval.ndim < 2:
      yield equation.params['precision']
    for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, 'eqns')):
      inner = getattr(inner, 'jaxpr', inner)
      if hasattr(inner, 'eqns'):
        yield from sums_in(inner)


@pytest.mark.parametrize('task', TINY)
def test_sums_of_an_evaluation_ask_for_full_precision(task):
  """An accelerator would round their factors to bfloat16 or TF32."""
  highest = jax.lax.Precision.HIGHEST
  found = list(sums_in(programs(prepare(task))[1].jaxpr.jaxpr))
  assert all(precision in (highest, (highest, highest)) for precision in found)
  assert len(found) >= {'vae': 7, 'factor_vae': 6, 'inverse_graphics': 6}.get(task, 0)
