"""scripts/make_strip.py draws four panels of one size, and says which run is not there."""

import importlib

import jax
import numpy as np
import optax
import pytest

from deconv import plots
from deconv.errors import UserError
from deconv.options import Experiment
from deconv.tasks import TASKS
from scripts import make_strip

RUNS = {
  'dcgan_mnist': ('dcgan_mnist', 'smoke'),
  'conv_vae_mnist': ('conv_vae_mnist', 'smoke'),
  'unet_scenes': ('unet_scenes', 'long,smoke'),
  'rednet_denoise_photos': ('rednet_denoise_photos', ''),  # the smoke run has no photographs
}


def untrained(name, variant):
  """Returns (task, state) of a config."""
  config = importlib.import_module(f'deconv.configs.{name}').get_config(variant)
  if config.model.name == 'rednet':
    config.model.width, config.model.depth = 2, 4
  options = Experiment.from_config(config)
  task = TASKS[options.task](options, optax.sgd, None)
  return task, task.init(jax.random.key(0), {'image': np.zeros((1, *options.data.image_shape), np.uint8)})


@pytest.mark.parametrize('panel', make_strip.PANELS)
def test_a_panel_fills_its_square(panel):
  draw, label = make_strip.PANELS[panel]
  picture = draw(*untrained(*RUNS[panel]))
  assert picture.shape == (make_strip.SIDE, make_strip.SIDE, 3) and picture.dtype == np.uint8
  assert np.all(picture[:2] == 255) and np.any(picture[2:-2] < 255)
  assert plots.caption(picture, label, make_strip.LABEL_SIZE).shape[1] == make_strip.SIDE  # the label is no wider


def test_every_run_has_its_command():
  for name, (config, variant) in RUNS.items():
    assert f'--config=configs/{config}.py' in make_strip.__doc__ and f'--workdir=runs/{name}' in make_strip.__doc__
    variants = [part for part in variant.split(',') if part not in ('', 'smoke')]
    assert all(f'{config}.py:{part}' in make_strip.__doc__ for part in variants)
  assert set(RUNS) == set(make_strip.PANELS)


def test_the_photograph_is_noisy_on_its_left_half():
  class Perfect:
    """What it restores is the truth."""

    def __init__(self, task):
      self.options, self.random_inputs, self._task = task.options, task.random_inputs, task

    def observe_whole(self, batch):
      self.truth = iter(batch['image'].astype(np.float32) / 127.5 - 1)
      return self._task.observe_whole(batch)

    def predict_image(self, state, inputs):
      return next(self.truth)

  perfect = Perfect(untrained('rednet_denoise_photos', '')[0])
  picture = make_strip.photograph(perfect, None).astype(float)
  rough = np.abs(np.diff(picture[3:-3], axis=0)).mean((0, 2))
  assert rough[10:140].mean() > 3 * rough[150:280].mean()


def test_panels_stand_side_by_side():
  strip = make_strip.beside([np.full((3 + i, 4, 3), i, np.uint8) for i in (1, 2)])
  assert strip.shape == (5, 8 + make_strip.BETWEEN, 3)
  assert np.all(strip[:4, :4] == 1) and np.all(strip[:, -4:] == 2)
  assert np.all(strip[:, 4:-4] == 255) and np.all(strip[4:, :4] == 255)


def test_a_missing_run_is_named(tmp_path):
  with pytest.raises(UserError, match='there is no run in .*dcgan_mnist'):
    make_strip.draw_strip(str(tmp_path), str(tmp_path / 'strip.png'))
  assert not (tmp_path / 'strip.png').exists()
