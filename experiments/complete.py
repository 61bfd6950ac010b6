"""Fills holes by a trained GAN:
`python -m experiments.complete --workdir=DIR [--image=FILE --mask=FILE] [--out=FILE.png]`.

The latent is searched whose image fits what is known around the hole (Yeh et al. 2017), and the fill is blended into
its border. The mask is white where the picture is missing. Without --mask the hole is that of --hole and --hole_share.
Without --image the first --num held-out images of the run's data are completed. A GAN that was trained with labels
needs --label with --image; held-out images have their own, and --label takes those of one class alone.

The picture shows hole, fill, blended fill and truth, which is what --image has under the mask. Error (1 = from black to
white) and PSNR in the hole are printed beside those of two fills without a network: the mean of the rest, and the
biharmonic surface. They also go to the .json file beside the picture, with those of each image. With --image the
completed picture is written too: FILE_completed.png.
"""

import os

from absl import flags
import numpy as np

from deconv import atomic_files, plots
from deconv.errors import UserError
from deconv.experiments import command
from deconv.options.completion import CompletionOptions
from deconv.options.options import default, documentation, kinds

_SHOWN = 16  # images in the picture
_SIDE = 96  # least side in pixels of an image in it
# What the fills are called where they are printed.
_NAMES = {'': 'fill', '_blended': 'blended fill', '_mean': 'mean of the rest', '_biharmonic': 'biharmonic surface'}
_WORKDIR = command.define_path('workdir', None, 'folder of a run')
_STEP = flags.DEFINE_integer('step', None, 'step of the checkpoint; default: the newest')
_IMAGE = command.define_path('image', None, 'a picture of your own, of the size that the GAN makes')
_MASK = command.define_path('mask', None, 'a picture of that size, white where something is missing')
_OUT = command.define_path('out', None, 'PNG file to write; default: DIR/completion/[IMAGE_]STEP.png')
_NUM = flags.DEFINE_integer('num', 8, 'number of held-out images, without --image')
_LABEL = flags.DEFINE_integer('label', None, 'class of the image, for a GAN that was trained with labels')
_SEED = flags.DEFINE_integer('seed', 0, 'seed of the latents and of the holes')
_DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
_SEARCH = {
  name: _DEFINE[kind](name, default(CompletionOptions, name), documentation(CompletionOptions)[name])
  for name, kind in kinds(CompletionOptions).items()
}


def main(options):
  search_options = _search_options()
  _check()
  print(f'completing by {_WORKDIR.value}', flush=True)  # before the seconds in which JAX starts
  import jax

  from deconv import data
  from deconv.rng import stream
  from deconv.tasks import completion
  from deconv.training import compilation_cache, evaluation, provenance, restore

  compilation_cache.enable(options.compilation_cache)
  _check_task(options)
  own = data.read_picture(_IMAGE.value, options.data) if _IMAGE.value else None
  mask = data.read_picture(_MASK.value, options.data) if _MASK.value else None
  key = jax.random.key(_SEED.value)
  pixels, labels, about = _held_out(options) if own is None else _own(own, options)
  hole = _holes(mask, len(pixels), stream(key, 'hole'), options, search_options)

  task, state, step = restore.restore(options, _WORKDIR.value, _STEP.value)
  labels = _labels(task, labels)
  tried = f'{search_options.restarts} latents for each of {len(pixels)} images'
  print(f'searching from {tried}, {search_options.iterations} steps', flush=True)
  found = completion.search(
    task, state, pixels, hole, stream(key, 'completion'), search_options, labels, options.eval.batch_size
  )
  images = np.asarray(data.to_signed(pixels))
  fills = completion.compared(found, images, hole)
  each = completion.quality(fills, images, hole)
  metrics = {f'completion_{name}': float(np.mean(values)) for name, values in each.items()}
  missing = os.path.basename(_MASK.value) if _MASK.value else f'{search_options.hole} {search_options.hole_share:g}'
  protocol = {
    **about,
    'completed': len(pixels),
    'missing': missing,
    **completion.protocol(task, state, search_options),
    'completion_seed': _SEED.value,
  }

  name = os.path.splitext(os.path.basename(_IMAGE.value))[0] + '_' if _IMAGE.value else ''
  out = _OUT.value or os.path.join(_WORKDIR.value, 'completion', f'{name}{step:08d}.png')
  stem, written = os.path.splitext(out)[0], [out, os.path.splitext(out)[0] + '.json']
  plots.save_png(out, _picture(pixels, hole, fills, each))
  report = {
    'step': step,
    'metrics': metrics,
    'protocol': protocol,
    'images': {name: np.round(values.astype(float), 6).tolist() for name, values in each.items()},
    'versions': provenance.versions(),
  }
  atomic_files.write_json(written[1], report)
  if own is not None:
    written.append(f'{stem}_completed.png')
    plots.save_png(written[-1], data.to_uint8(fills['blended'][0]))
  print(f'  {"in the hole":20s} {"error":>7s} {"PSNR, dB":>9s}')
  for suffix, name in _NAMES.items():
    error, psnr = (metrics[f'completion_{measure}{suffix}'] for measure in ('l1_hole', 'psnr_hole'))
    print(f'  {name:20s} {error:7.4f} {psnr:9.2f}')
  print(f'  protocol: {evaluation.in_words(protocol)}')
  print(f'written: {", ".join(written)} (step {step})')


def _search_options():
  return CompletionOptions(**{name: flag.value for name, flag in _SEARCH.items()})


def _check():
  """Mistakes are answered before JAX starts."""
  if _NUM.value < 1:
    raise UserError(f'--num={_NUM.value} must be 1 or more')
  if _OUT.value and not _OUT.value.endswith('.png'):
    raise UserError(f'--out={_OUT.value} must end in .png')
  for flag, given in ((_NUM, _IMAGE), (_SEARCH['hole'], _MASK), (_SEARCH['hole_share'], _MASK)):
    if given.value and flag.present:
      raise UserError(f'--{flag.name}={flag.value} has no effect with --{given.name}; leave one of them out')


def _check_task(options):
  from deconv.tasks import TASKS
  from deconv.tasks.capabilities import SearchesLatents

  if not issubclass(TASKS[options.task], SearchesLatents):
    raise UserError(
      f"a run of task '{options.task}' has no generator with a discriminator, by which a hole could be filled; give "
      'the --workdir of a GAN'
    )
  if options.data.points:
    raise UserError('this GAN makes points of the plane, in which nothing can be missing; give one that makes images')


def _own(image, options):
  """The user's picture: (uint8 (1, h, w, c), None, what it is)."""
  from deconv import data

  colours, alpha = data.split_alpha(_fitting(image, options, _IMAGE))
  channels = options.data.channels
  if alpha is not None or colours.shape[-1] != channels:
    kind = {1: 'grey', 3: 'RGB'}
    have = kind[colours.shape[-1]] + (' with transparency' if alpha is not None else '')
    raise UserError(f'--image={_IMAGE.value} is {have}, and the GAN makes {kind[channels]} pictures: convert it')
  return data.opaque(colours, channels, (0, 0, 0))[None], None, {'image': os.path.basename(_IMAGE.value)}


def _fitting(image, options, flag):
  """The picture of a flag, whose size must be that of the GAN."""
  height, width, _ = options.data.image_shape
  if image.shape[:2] != (height, width):
    raise UserError(
      f'--{flag.name}={flag.value} has {image.shape[1]}x{image.shape[0]} pixels, and the GAN makes {width}x{height}: '
      'crop or resize it'
    )
  return image


def _held_out(options):
  """The first held-out images: (uint8 (n, h, w, c), their labels or None, what they are)."""
  from deconv.training import experiment

  source = experiment.open_eval_source(options.data)
  if source is None:
    raise UserError('the data of this run have no held-out images: give a picture of your own, --image=FILE')
  items = []
  for index in range(len(source)):
    item = source[index]
    if _LABEL.value is None or item.get('label') == _LABEL.value:
      items.append(item)
    if len(items) == _NUM.value:
      break
  if not items:
    raise UserError(f'no held-out image has --label={_LABEL.value}: choose another one')
  labels = np.stack([item['label'] for item in items]) if 'label' in items[0] else None
  about = {'source': source.name, 'split': options.data.eval_split}
  return np.stack([item['image'] for item in items]), labels, about


def _holes(mask, number, key, options, search_options):
  """What is missing: float32 (number, h, w, 1)."""
  import jax

  from deconv import data
  from deconv.data.transforms.degrade import draw_hole

  height, width, _ = options.data.image_shape
  if mask is not None:
    grey = data.opaque(_fitting(mask, options, _MASK), 1, (0, 0, 0))
    holes = np.repeat((grey > 127)[None].astype(np.float32), number, axis=0)
  else:
    keys = [jax.random.fold_in(key, i) for i in range(number)]
    kind, share = search_options.hole, search_options.hole_share
    holes = np.stack([np.asarray(draw_hole(one, height, width, kind, share)) for one in keys])
  shares = holes.mean((1, 2, 3))
  if shares.min() > 0 and shares.max() < 1:
    return holes
  what = f'--mask={_MASK.value}' if mask is not None else f'a hole of --hole_share={search_options.hole_share:g}'
  if shares.min() == 0:
    raise UserError(f'{what} leaves nothing out: white (levels from 128 on) is what is missing')
  raise UserError(f'{what} leaves out the whole picture: some of it must be known, black in the mask')


def _labels(task, labels):
  """The labels (n,) that the search needs, or None."""
  label, classes = _LABEL.value, task.num_classes
  if not classes:
    if label is not None:
      raise UserError(f'--label={label} needs a GAN that was trained with labels; leave it out')
    return None
  if label is not None and not 0 <= label < classes:
    raise UserError(f'--label={label} does not exist: this GAN has the classes 0 to {classes - 1}')
  if labels is None and label is None:
    raise UserError(
      f'this GAN was trained with labels: say what the picture shows with --label, a class from 0 to {classes - 1}'
    )
  return np.array([label]) if labels is None else labels


def _picture(pixels, hole, fills, each):
  """Hole, fill, blended fill and truth of each image, with the PSNR in the hole; two images a row where there are more
  than four."""
  from deconv import data

  rows, names = [], []
  for i in range(min(len(pixels), _SHOWN)):
    rows += [np.where(hole[i] > 0, 128, pixels[i]).astype(np.uint8)]
    rows += [data.to_uint8(fills[name][i]) for name in ('', 'blended')]
    rows += [pixels[i]]
    psnr = [f'{each[name][i]:.1f} dB' for name in ('psnr_hole', 'psnr_hole_blended')]
    names += ['hole', f'fill {psnr[0]}', f'blended {psnr[1]}', 'truth']
  return plots.named_grid(np.stack(rows), names, columns=4 if len(pixels) <= 4 else 8, least=_SIDE)


def console():
  """The command line, as `python -m` and the installed command start it."""
  command.run(main, config_from='workdir')


if __name__ == '__main__':
  console()
