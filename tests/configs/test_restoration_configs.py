"""What the restoration configs promise: steps and evaluations that fit together, the papers' numbers, small smoke runs.

That a step of every config and variant fits together at its full size is in test_full_size.
"""

import importlib

import jax
import numpy as np
import pytest

from deconv.options import Experiment
from deconv.training import experiment
from deconv.training.parallel import Parallel
from tests.configs.test_full_size import variants_of
from tests.experiments.smoke import configs_of

NAMES = configs_of('restoration')
CASES = [(name, variant) for name in NAMES for variant in variants_of(name)]


def get_config(name, variant=''):
  return importlib.import_module(f'deconv.configs.{name}').get_config(variant)


def shapes_of(config):
  """(task, batch, state) of a config, as shapes."""
  options = Experiment.from_config(config)
  task = experiment.build_task(options, Parallel(options.parallel, jax.devices()[:1]), 10)
  batch = task.batch_shapes(2)
  return task, batch, jax.eval_shape(task.init, jax.random.key(0), batch)


def trace(config):
  """(task, state, scalars) of a whole step, traced and not run."""
  task, batch, state = shapes_of(config)
  new, scalars = jax.eval_shape(task.train_step, state, batch, jax.random.key(0))
  assert jax.tree.map(lambda x: (x.shape, x.dtype), new) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
  assert set(task.loss_names) <= set(scalars)
  return task, state, scalars


def weights(state):
  leaves = jax.tree_util.tree_leaves_with_path(state.networks['net'].params)
  return sum(int(np.prod(leaf.shape)) for path, leaf in leaves if path[-1].key == 'kernel')


def test_every_config_is_there():
  assert set(NAMES) >= {
    'superres_photos',
    'superres_conv_deconv',
    'fsrcnn_x2',
    'fsrcnn_x3',
    'fsrcnn_x4',
    'espcn_x3',
    'srcnn_x3',
    'rednet_denoise_photos',
    'rednet_set12',
    'inpaint_digits',
    'inpaint_celeba',
    'colorize_folder',
    'autoencoder_digits',
  }
  assert {
    ('superres_photos', 'subpixel'),
    ('espcn_x3', 'deconv'),
    ('rednet_denoise_photos', 'blind'),
    ('inpaint_digits', 'strokes'),
    ('inpaint_celeba', 'channelwise'),
  } <= set(CASES)


@pytest.mark.parametrize('name, variant', CASES)
def test_evaluations_fit_together(name, variant):
  task, batch, state = shapes_of(get_config(name, variant))
  sums = jax.eval_shape(task.eval_step, state, batch, jax.random.key(0))
  assert {'count', 'psnr', 'ssim'} <= set(sums) and ('l1_hole' in sums) == task.has_holes
  assert ('psnr_baseline' in sums) == bool(task.baseline_name)
  assert all(x.shape == () for x in sums.values())


@pytest.mark.parametrize('name, variant', CASES)
def test_smoke_steps_fit_together(name, variant):
  trace(get_config(name, f'{variant},smoke'))


@pytest.mark.parametrize(
  'name, baseline',
  [
    ('fsrcnn_x2', 33.66),
    ('fsrcnn_x3', 30.39),
    ('fsrcnn_x4', 28.42),
    ('espcn_x3', 30.39),
    ('srcnn_x3', 30.39),
    ('rednet_set12', 20.17),
  ],
)
def test_published_protocol(name, baseline):
  """What is judged, whole, from another folder; the smoke run needs neither."""
  config = get_config(name)
  assert (config.data.source, config.data.eval_split, config.eval.published_baseline) == ('folder', 'all', baseline)
  assert config.degrade.levels == 'raw' and config.eval.self_tests
  if name == 'rednet_set12':
    assert config.eval.whole_images == 12 and round(20 * np.log10(255 / config.degrade.noise_sigma), 2) == baseline
  else:
    assert config.eval.whole_images == 5 and config.objective.colour == 'y' and config.degrade.down == 'bicubic'
    assert config.objective.shave == config.degrade.scale == int(name[-1])
  assert get_config(name, 'smoke').eval.published_baseline == 0


@pytest.mark.parametrize('scale', [2, 3, 4])
def test_fsrcnn_is_the_paper(scale):
  config = get_config(f'fsrcnn_x{scale}')
  task, state, scalars = trace(config)
  assert weights(state) == 12_464 and task.scale == scale and task.channels == 1
  assert (config.objective.colour, config.model.residual) == ('y', 'none')
  assert config.objective.last_learning_rate_scale == 0.1
  assert set(scalars) == {'loss', 'l2', 'psnr'}


def test_deconvolution_and_subpixel_of_espcn_have_as_many_weights():
  subpixel, deconv = (trace(get_config('espcn_x3', variant))[1] for variant in ('', 'deconv'))
  assert weights(subpixel) == weights(deconv) == 64 * 25 + 64 * 32 * 9 + 32 * 9 * 9


def test_rednet_paper_is_red30():
  assert weights(trace(get_config('rednet_denoise_photos', 'paper'))[1]) == 1_033_344


def test_inpaint_celeba_is_train_lua():
  config = get_config('inpaint_celeba')
  assert (config.objective.l2, config.objective.adversarial, config.objective.disc_learning_rate_scale) == (
    0.999,
    0.001,
    0.1,
  )
  task, state, _ = trace(config)
  assert task.loss_names == ('loss', 'loss_disc') and task.network.centre_only
  assert state.networks['net'].params['code']['kernel'].shape == (4, 4, 512, 4000)
  assert state.networks['disc'].params['down_1']['kernel'].shape == (4, 4, 3, 64)
  images = {'image': np.zeros((1, 128, 128, 3), np.uint8)}
  _, hole, _ = jax.jit(task.observe)({**images, **task.random_inputs(images, jax.random.key(0))})
  rows = np.flatnonzero(np.asarray(hole)[0, :, 64, 0])
  assert (rows[0], rows[-1]) == (36, 91)  # 56 pixels, 4 within the 64 that the decoder makes


@pytest.mark.parametrize('name', NAMES)
def test_smoke_is_small_and_needs_no_files(name):
  config = get_config(name, 'smoke')
  assert (config.data.source, config.data.path) in (('digits', ''), ('photos', ''))
  assert config.train.steps <= 4 and config.train.batch_size <= 8 and config.model.get('width', 8) <= 8
