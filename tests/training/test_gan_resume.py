"""A GAN with everything that a state can hold, broken off without a word and run again: the same run, bit for bit."""

import jax
import numpy as np
import pytest

from deconv.configs import base
from deconv.training import experiment, loop
from tests.training.test_loop import lines, read

COMMON = {
  'compilation_cache': '',
  'data.image_size': 8,
  'train.batch_size': 8,
  'train.steps': 6,
  'train.ema_decay': 0.9,
  'train.ema_start': 2,
  'log.every': 2,
  'log.tensorboard': False,
  'checkpoint.every': 2,
  'samples.every': 3,
  'samples.num': 4,
  'eval.batch_size': 100,
  'eval.evaluators': (),
  'optimizer.schedule': 'exponential',
  'optimizer.decay_steps': 2,
}
GAMES = {
  'everything': {
    'model.disc_spectral_norm': True,
    'model.gen_spectral_norm': True,
    'model.num_classes': 10,
    'model.gen_label': 'concat',
    'model.disc_label': 'projection',
    'objective.name': 'hinge',
    'objective.disc_updates': 2,
    'objective.penalty': 'r1,lecam',
    'objective.penalty_interval': 2,
    'objective.diff_augment': ('colour', 'translation'),
    'objective.instance_noise': 0.1,
    'objective.instance_noise_steps': 4,
    'train.accumulate': 2,
    'train.steps_per_call': 2,
  },
  'a relativistic InfoGAN': {
    'model.categorical_codes': (3,),
    'model.continuous_codes': 1,
    'objective.name': 'ragan',
    'objective.joint_batches': True,
    'objective.update_order': 'alternate',
  },
}


def train(folder, game, **overrides):
  config = base.get_config(model='mlp_gan' if game == 'everything' else 'dcgan')
  small = {'model.hidden': 8} if game == 'everything' else {'model.width': 4, 'model.kernel_size': 4}
  config.update_from_flattened_dict({**COMMON, 'model.latent_size': 4, **small, **GAMES[game], **overrides})
  return loop.train(experiment.prepare(config), folder)


@pytest.mark.parametrize('game', GAMES)
def test_a_run_that_breaks_off_resumes_exactly(game, tmp_path, monkeypatch):
  straight = train(tmp_path / 'straight', game)
  call = loop.Loop.call

  def killed(self, state, step, num, batch):
    if step >= 4:
      self.drain()
      self.checkpoints.wait()
      raise KeyboardInterrupt
    return call(self, state, step, num, batch)

  monkeypatch.setattr(loop.Loop, 'call', killed)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path / 'broken', game)
  monkeypatch.undo()
  resumed = train(tmp_path / 'broken', game)
  assert read(tmp_path / 'broken', 'run.json')['resumed_from'] == 4
  jax.tree.map(np.testing.assert_array_equal, resumed, straight)
  assert lines(tmp_path / 'broken') == lines(tmp_path / 'straight')
