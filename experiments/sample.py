"""Draws from a trained run:
`python -m experiments.sample --workdir=DIR --num=64 --out=FILE.png [--kind=interpolation]`.

No data set is needed. A `.gif` instead of a `.png` shows the images one after the other (all latents of a traversal
side by side). A `.npy` holds them as uint8 (num, height, width, channels). Points of the plane become a scatter
plot, or float32 (num, 1, 1, 2).

`--label=3` draws one class of a GAN that was trained with labels.

`--num` fills whole rows of `--columns` of an interpolation or traversal, and the square of a manifold.

`--image=FILE --out=FILE.png` instead runs a segmentation or restoration network on a picture of your own, of any size,
or names its class by a classifier.

`--weights=NAME` in place of `--workdir` takes trained weights that come with this library, or FILE.safetensors of
scripts.export_weights: `--weights=fsrcnn_x2 --image=FILE --out=FILE.png` doubles a picture's resolution.
"""

import math
import os

from absl import flags
import numpy as np

from deconv import atomic_files, plots
from deconv.errors import UserError
from deconv.experiments import command
from deconv.training import weight_metadata

KINDS = 'grid', 'interpolation', 'traversal', 'manifold'

_WORKDIR = command.define_path('workdir', None, 'folder of a run')
_WEIGHTS = command.define_path('weights', None, 'name or file of trained weights, in place of a run')
_STEP = flags.DEFINE_integer('step', None, 'step of the checkpoint; default: the newest')
_NUM = flags.DEFINE_integer('num', 64, 'number of images')
_OUT = command.define_path('out', None, 'file to write: .png, .gif or .npy; default: DIR/KIND_STEP.png')
_IMAGE = command.define_path('image', None, 'a picture of your own to run the network on, instead of drawing samples')
_KIND = flags.DEFINE_string(
  'kind',
  'grid',
  'grid: independent samples; interpolation: each row from one latent to another; '
  'traversal: each row moves one latent; manifold: the plane of two latents',
)
_LABEL = flags.DEFINE_integer('label', None, 'class of the images, for a GAN that was trained with labels')
_COLUMNS = flags.DEFINE_integer('columns', 8, 'images in a row of the interpolation or traversal')
_SEED = flags.DEFINE_integer('seed', 0, 'seed of the latents')
_ENLARGE = flags.DEFINE_integer('enlarge', 1, 'side of the square that each pixel becomes')


def main(options):
  num = _NUM.value
  _check()
  print(f'drawing from {_WEIGHTS.value or _WORKDIR.value}', flush=True)  # before the seconds in which JAX starts
  import jax

  from deconv import data
  from deconv.training import compilation_cache, evaluation

  compilation_cache.enable(options.compilation_cache)
  if _IMAGE.value:
    return _transform(options)
  task, state, step = _restored(options)
  columns = min(_COLUMNS.value, num)
  images, columns = _draw(task, state, jax.random.key(_SEED.value), num, columns)
  points = options.data.points
  images = np.asarray(images if points else data.to_uint8(images))
  out = _OUT.value or _default_out(_KIND.value, step)
  shown = [plots.enlarge(image, _ENLARGE.value) for image in images]
  if points and out.endswith('.gif'):
    raise UserError(
      f'--out={out}: points of the plane have one picture together; give a file that ends in .png or .npy'
    )
  if out.endswith('.npy'):
    atomic_files.write(out, lambda file: np.save(file, images))
  elif points:
    plots.save_png(out, plots.enlarge(plots.scatter(images), _ENLARGE.value))
  elif out.endswith('.gif') and _KIND.value == 'traversal':  # all latents move at once, side by side, there and back
    frames = [plots.image_grid(np.stack(shown[i::columns])) for i in range(columns)]
    plots.save_gif(out, frames + frames[-2:0:-1], options.samples.gif_fps)
  elif out.endswith('.gif'):
    plots.save_gif(out, shown, options.samples.gif_fps)
  else:
    plots.save_png(out, plots.image_grid(np.stack(shown), columns))
  few = f', one row for each of {len(images) // columns} latents' if len(images) < num else ''
  how = evaluation.in_words(task.sampling_protocol(state))
  print(f'written: {out} ({len(images)} images of step {step}{few}, seed {_SEED.value}, {how})')


def _restored(options):
  """Returns (task, state, step) of the run or of the weights."""
  if _WEIGHTS.value:
    from deconv.training import exported

    return exported.restore(options, weight_metadata.find(_WEIGHTS.value))
  from deconv.training import restore

  return restore.restore(options, _WORKDIR.value, _STEP.value)


def _default_out(name, step):
  if _WEIGHTS.value:
    return f'{name}_{weight_metadata.name_of(_WEIGHTS.value)}.png'
  return os.path.join(_WORKDIR.value, f'{name}_{step:08d}.png')


def _draw(task, state, key, num, columns):
  """Returns (images, how many of them stand in a row; None = as many as fit)."""
  from deconv.tasks.capabilities import Generates, GeneratesClasses, TransformsPictures, TraversesLatents

  kind = _KIND.value
  possible = [name for name in KINDS if isinstance(task, Generates if name in KINDS[:2] else TraversesLatents)]
  if kind not in possible:
    own = isinstance(task, TransformsPictures)
    hint = 'it draws nothing by itself: give it a picture of your own, --image=FILE' if own else 'it draws nothing'
    hint = f'choose one of {", ".join(possible)}' if possible else hint
    raise UserError(f"a run of task '{task.options.task}' has nothing for --kind={kind}; {hint}")
  if _LABEL.value is not None:
    if kind != 'grid' or not isinstance(task, GeneratesClasses):
      raise UserError(f'--label={_LABEL.value} needs --kind=grid and a GAN that was trained with labels; leave it out')
    return task.sample_class(state, key, num, _LABEL.value), None
  if kind == 'grid':
    return task.sample(state, key, num), None
  if kind == 'interpolation':
    return task.interpolate(state, key, num // columns, columns), columns
  if kind == 'traversal':
    return task.traverse(state, key, num // columns, columns), columns
  side = math.isqrt(num)
  return task.manifold(state, side), side


def _transform(options):
  """Runs the network on the user's picture and writes what it makes of it."""
  from deconv import data
  from deconv.tasks.capabilities import TransformsPictures

  image = data.read_picture(_IMAGE.value, options.data)
  task, state, step = _restored(options)
  if not isinstance(task, TransformsPictures):
    raise UserError(f"a run of task '{options.task}' makes pictures of its own: leave --image out")
  name = os.path.splitext(os.path.basename(_IMAGE.value))[0]
  out = _OUT.value or _default_out(name, step)
  written = []
  for part, result in task.transform_image(state, image).items():
    written.append(os.path.splitext(out)[0] + f'_{part}.png' if part else out)
    plots.save_png(written[-1], result)
  print(f'written: {", ".join(written)} ({_IMAGE.value} by step {step})')


def _check():
  """Mistakes are answered before JAX starts."""
  if _KIND.value not in KINDS:
    raise UserError(f'--kind={_KIND.value} does not exist: choose one of {", ".join(KINDS)}')
  for flag in (_NUM, _COLUMNS, _ENLARGE):
    if flag.value < 1:
      raise UserError(f'--{flag.name}={flag.value} must be 1 or more')
  num, columns, side = _NUM.value, _COLUMNS.value, math.isqrt(_NUM.value)
  if _KIND.value in ('interpolation', 'traversal') and num > columns and num % columns:
    fitting = [number for number in range(2, columns) if num % number == 0]
    raise UserError(
      f'--num={num} does not fill rows of --columns={columns}: give --num={num // columns * columns}'
      + (f' or --columns={fitting[-1]}' if fitting else '')
    )
  if _KIND.value == 'manifold' and side**2 != num:
    raise UserError(f'--num={num} does not fill a square: give --num={side**2} or --num={(side + 1) ** 2}')
  if _OUT.value and os.path.splitext(_OUT.value)[1] not in ('.png', '.gif', '.npy'):
    raise UserError(f'--out={_OUT.value} must end in .png, .gif or .npy')
  if _IMAGE.value and _OUT.value and not _OUT.value.endswith('.png'):
    raise UserError(f'--out={_OUT.value} must end in .png, because of --image')


def console():
  """The command line, as `python -m` and the installed command start it."""
  command.run(main, config_from='workdir')


if __name__ == '__main__':
  console()
