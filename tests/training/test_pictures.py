"""Which pictures the GIF is made of."""

import types

import jax
import numpy as np
from PIL import Image, ImageSequence

from deconv import plots
from deconv.configs import base
from deconv.options import Experiment
from deconv.training import pictures
from deconv.training.workdir import Workdir


def save(folder, name, value, side=4):
  plots.save_png(folder / name, np.full((side, side, 1), value, np.uint8))


def test_frames_in_the_order_of_their_steps(tmp_path):
  for step in (20, 5, 100_000_000, 10):
    save(tmp_path, f'samples_{step:08d}.png', step % 200)
  save(tmp_path, 'neighbours_00000020.png', 1)
  save(tmp_path, 'grid.png', 1)
  frames = pictures.frames_up_to(tmp_path, 10**9)
  assert [pictures.read_png(path)[0, 0, 0] for path in frames] == [5, 10, 20, 0]
  assert len(pictures.frames_up_to(tmp_path, 10)) == 2
  assert pictures.frames_up_to(tmp_path, 1) == [] == pictures.frames_up_to(tmp_path / 'none', 9)


def test_samples_win_a_tie(tmp_path):
  for name in ('samples', 'a', 'z'):
    save(tmp_path, f'{name}_00000001.png', 1)
  assert pictures.frames_up_to(tmp_path, 9) == [str(tmp_path / 'samples_00000001.png')]


def test_the_film_rests_on_its_last_picture(tmp_path):
  folder = tmp_path / 'samples'
  for step in (1, 2, 3):
    save(folder, f'samples_{step:08d}.png', 50 * step)
  options = Experiment.from_config(base.get_config())
  run = types.SimpleNamespace(options=options, parallel=types.SimpleNamespace(process_index=0), key=jax.random.key(0))
  pictures.Pictures(run, Workdir(tmp_path), None).save_gif(3)
  with Image.open(folder / 'progress.gif') as film:
    durations = [frame.info['duration'] for frame in ImageSequence.Iterator(film)]
  assert options.samples.gif_fps == 8 and durations == [120, 120, 2000]  # the format counts in hundredths of a second
