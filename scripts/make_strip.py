"""Draws the strip of pictures at the top of the README: four panels, each from a finished run.

  python -m scripts.make_strip [--runs=runs] [--out=docs/images/strip.png]

The runs, in folders below --runs; DIR holds the idx files of MNIST:

  python -m experiments.main --config=configs/dcgan_mnist.py --workdir=runs/dcgan_mnist --config.data.path=DIR
  python -m experiments.main --config=configs/conv_vae_mnist.py --workdir=runs/conv_vae_mnist --config.data.path=DIR
  python -m experiments.main --config=configs/unet_scenes.py:long --workdir=runs/unet_scenes
  python -m experiments.main --config=configs/rednet_denoise_photos.py --workdir=runs/rednet_denoise_photos

For the strip in docs/images the VAE was trained for 4 epochs (`--config.train.epochs=4`) and RED-Net for 500 steps
(`--config.train.steps=500`).

The panels show images that networks have made, held-out scenes that are rendered, and a held-out photograph that comes
with scikit-image. No image of a data set that has to be fetched is in them, so MNIST need not be there.
"""

import argparse
import dataclasses
import functools
import os

import numpy as np

from deconv import plots
from deconv.experiments import command
from deconv.training.saved_config import load_config

SIDE = 290  # of a panel in pixels
BETWEEN = 13  # pixels between two panels: 1,199 in all
SEED = 0  # of the noise
SCENES = 0, 1  # held-out scenes that are shown
PHOTO, TOP, LEFT = 1, 8, 70  # of the held-out photographs in colour the cat, and where its face is cut out
LABEL_SIZE = 15  # of the letters in pixels


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--runs', type=os.path.expanduser, default='runs', help='folder of the runs')
  parser.add_argument('--out', type=os.path.expanduser, default='docs/images/strip.png', help='the PNG file to write')
  options = parser.parse_args(argv)
  with command.one_sentence():
    draw_strip(options.runs, options.out)


def draw_strip(runs, out):
  """Draws the panels of the runs in the folder `runs` into the PNG file `out`.

  Raises:
    UserError: a run is missing or cannot be read, or the file cannot be written.
  """
  panels = [_panel(os.path.join(runs, name), draw, label) for name, (draw, label) in PANELS.items()]
  plots.save_png(out, beside(panels))
  print(f'written: {out}, from {", ".join(PANELS)} in {runs}')


def _panel(workdir, draw, label):
  from deconv.training import restore

  options = load_config(workdir)
  task, state, _ = restore.restore(options, workdir)
  return plots.caption(draw(task, state), label, LABEL_SIZE)


def beside(panels):
  """Returns uint8 panels (height, width, 3) in one row, white between them and below those that are less high."""
  height = max(len(panel) for panel in panels)  # a label without a letter like 'p' is less high
  panels = [np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=255) for panel in panels]
  gap = np.full((height, BETWEEN, 3), 255, np.uint8)
  return np.concatenate([part for panel in panels for part in (gap, panel)][1:], axis=1)


def samples(task, state, seed):
  """Sixteen samples of latents that the seed alone decides. Returns uint8 (SIDE, SIDE, 3), as the other panels do."""
  import jax

  from deconv import data

  images = data.to_uint8(task.sample(state, jax.random.key(seed), 16))
  return _tiles(images, 4)


def scenes(task, state):
  """Two held-out scenes and the classes of their pixels."""
  from deconv.training import experiment

  source = experiment.open_eval_source(task.options.data)
  images = [source[i]['image'] for i in SCENES]
  classes = [plots.colour_mask(task.predict_image(state, image).argmax(-1)) for image in images]
  from_left = [tile for pair in zip(images, classes) for tile in pair]
  return _tiles(from_left, 2, smooth=[True, False] * len(images))


def photograph(task, state):
  """A held-out photograph: what the network is given on the left half, what it makes of that on the right."""
  import jax

  from deconv import data
  from deconv.training import experiment

  options = dataclasses.replace(task.options.data, channels=3)
  photo = experiment.open_eval_source(options).load_full(PHOTO)['image']
  # The network is one of grey images: red, green and blue are three of them.
  planes = np.moveaxis(photo[TOP : TOP + SIDE - 4, LEFT : LEFT + SIDE - 4], -1, 0)[..., None]
  batch = {'image': planes}
  inputs, _, _ = task.observe_whole({**batch, **task.random_inputs(batch, jax.random.key(SEED))})
  restored = np.stack([task.predict_image(state, plane) for plane in np.asarray(inputs)])
  noisy, restored = (np.moveaxis(np.asarray(data.to_uint8(x))[..., 0], 0, -1) for x in (inputs, restored))
  middle = noisy.shape[1] // 2
  both = np.concatenate([noisy[:, :middle], restored[:, middle:]], axis=1)
  both[:, middle - 1 : middle + 1] = 255
  return plots.image_grid(both[None])


def _tiles(images, columns, smooth=None):
  """Lays images out in `columns` columns and as many rows, each resized to fill the panel."""
  from PIL import Image

  side = (SIDE - 2) // columns - 2
  tiles = []
  for image, soft in zip(images, smooth or [True] * len(images)):
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    filter_ = Image.Resampling.BICUBIC if soft else Image.Resampling.NEAREST
    tiles.append(np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((side, side), filter_)))
  return plots.image_grid(np.stack(tiles), columns)


# {folder of the run: (what draws its panel, what stands under it)}. Of eight seeds, those whose digits read best.
PANELS = {
  'dcgan_mnist': (functools.partial(samples, seed=3), 'Generation: samples of a DCGAN'),
  'conv_vae_mnist': (functools.partial(samples, seed=1), 'Generation: samples of a VAE'),
  'unet_scenes': (scenes, 'Segmentation: classes by a U-Net'),
  'rednet_denoise_photos': (photograph, 'Restoration: RED-Net removes noise'),
}


if __name__ == '__main__':
  main()
