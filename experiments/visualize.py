"""Shows what the units of a trained network respond to: `python -m experiments.visualize --workdir=DIR --out=DIR2`.

The network that looks at images: a classifier, the discriminator of a GAN, the encoder of a VAE, or a segmentation
network. For each layer, LAYER.png has a panel for each unit. Left are the nine images that excite it most, cut to what
it can see, the strongest first; right is what of them it responded to, sent back to the pixels (Zeiler & Fergus 2013).
Grey is nothing. LAYER.json has the numbers. occlusion.png shows, for some images, how the answer changes where a grey
square hides a part. LAYER_made.png has images that are made to excite the units.

`--layer=conv1_1,norm2_1` and `--units=0,5,7` choose; `--units=16` are so many, evenly spaced.
"""

import os

from absl import flags
import numpy as np

from deconv import atomic_files, plots
from deconv.errors import UserError, did_you_mean
from deconv.experiments import command

_WORKDIR = command.define_path('workdir', None, 'folder of a run')
_STEP = flags.DEFINE_integer('step', None, 'step of the checkpoint; default: the newest')
_OUT = command.define_path('out', None, 'folder of what is written; default: DIR/units_STEP')
_LAYER = flags.DEFINE_list('layer', [], 'names of layers; default: every convolution and dense layer')
_UNITS = flags.DEFINE_list('units', ['16'], 'how many units of a layer, or the numbers of two or more')
_IMAGES = flags.DEFINE_integer('images', 1000, 'how many images are looked through, held-out ones where there are any')
_RULE = flags.DEFINE_enum(
  'rule', 'deconvnet', ['deconvnet', 'guided', 'gradient'], 'how rectifiers are passed on the way back'
)
_OCCLUDED = flags.DEFINE_integer('occluded', 4, 'images of the occlusion maps; 0 = none')
_SQUARE = flags.DEFINE_integer(
  'square', 0, 'side of the square that hides a part, in pixels; 0 = a quarter of the image'
)
_MADE = flags.DEFINE_bool('made', True, 'make images that excite the units')
_SEED = flags.DEFINE_integer('seed', 0, 'seed of the noise that these begin with')

_ACROSS = 4  # panels in a row of a sheet
_SMALLEST = 40  # pixels that a crop is high at least, enlarged by whole factors


def main(options):
  for flag, least in (_IMAGES, 1), (_OCCLUDED, 0), (_SQUARE, 0):
    if flag.value < least:
      raise UserError(f'--{flag.name}={flag.value} must be {least} or more')
  if not all(unit.isdigit() for unit in _UNITS.value):
    raise UserError(f'--units={",".join(_UNITS.value)} needs a number of units, or their numbers: --units=0,5,7')
  print(f'looking into {_WORKDIR.value}', flush=True)  # before the seconds in which JAX starts
  from deconv.models import named_layers
  from deconv.tasks.capabilities import LooksAtImages
  from deconv.training import compilation_cache, experiment, restore

  compilation_cache.enable(options.compilation_cache)
  task, state, step = restore.restore(options, _WORKDIR.value, _STEP.value)
  if not isinstance(task, LooksAtImages):
    raise UserError(f"a run of task '{options.task}' has no network that looks at images")
  if options.data.points:
    raise UserError('points of the plane are no images: there is nothing to see of the units')
  from deconv import data

  source = experiment.open_eval_source(options.data) or data.open_source(options.data)
  images = [source[i]['image'] for i in range(min(_IMAGES.value, len(source)))]
  looking = task.looking(state)
  shapes = named_layers.names(looking, options.data.image_shape)
  for name in _LAYER.value:
    if name not in shapes:
      raise UserError(
        f"--layer: the network has no layer '{name}'{did_you_mean(name, shapes)}; it has {', '.join(shapes)}"
      )
  folder = _OUT.value or os.path.join(_WORKDIR.value, f'units_{step:08d}')
  chosen = {name: _units(name, shapes[name][-1]) for name in _LAYER.value or shapes}
  written = [*_sheets(looking, chosen, images, source.name, step, folder)]
  if _OCCLUDED.value:
    written += _occlusion(task, looking, list(chosen)[-1], images[: _OCCLUDED.value], folder)
  print(f'written in {folder}: {", ".join(written)}')


def _units(name, number):
  """The units of a layer that are shown, of `number` that it has."""
  given = [int(unit) for unit in _UNITS.value]
  if len(given) > 1:
    if max(given) >= number:
      raise UserError(f'--units: {name} has units 0 to {number - 1}, not {max(given)}; choose with --layer too')
    return given
  if not given or not given[0]:
    raise UserError('--units=0 shows nothing: give 1 or more')
  return [number * i // min(given[0], number) for i in range(min(given[0], number))]


def _sheets(looking, chosen, images, source, step, folder):
  """Writes the sheets of {layer: units}; yields the names of the files."""
  import jax

  from deconv import data
  from deconv.visualization import maximisation
  from deconv.visualization import units as units_lib

  found = units_lib.strongest(looking, list(chosen), images)
  for name, units in chosen.items():
    crops, projections, windows = units_lib.look(looking, name, found[name], units, images, _RULE.value)
    panels, numbers = [], list(map(str, units))
    for seen, signals in zip(crops, projections):
      both = [plots.image_grid(plots.at_least(part, _SMALLEST), 3) for part in (seen, units_lib.stretch(signals))]
      panels.append(np.concatenate(both, axis=1))
    file = name.replace('/', '-')
    plots.save_png(os.path.join(folder, f'{file}.png'), plots.named_grid(np.stack(panels), numbers, _ACROSS, least=1))
    record = {
      'layer': name,
      'step': step,
      'rule': _RULE.value,
      'source': source,
      'images': len(images),
      'units': [
        {
          'unit': unit,
          'responses': found[name].values[:, unit].tolist(),
          'images': found[name].images[:, unit].tolist(),
          'windows': windows[i].tolist(),  # top, left, height, width
        }
        for i, unit in enumerate(units)
      ],
    }
    yield f'{file}.png'
    if _MADE.value:
      made, after, before = maximisation.maximise(looking, name, units, images[0].shape, jax.random.key(_SEED.value))
      grid = plots.named_grid(np.asarray(data.to_uint8(made)), numbers, 2 * _ACROSS, _SMALLEST)
      plots.save_png(os.path.join(folder, f'{file}_made.png'), grid)
      record['made'] = {'responses': np.asarray(after).tolist(), 'responses_to_noise': np.asarray(before).tolist()}
      yield f'{file}_made.png'
    atomic_files.write_json(os.path.join(folder, f'{file}.json'), record)
    yield f'{file}.json'


def _occlusion(task, looking, layer, images, folder):
  """Writes the occlusion maps; returns the names of the files."""
  import jax
  import jax.numpy as jnp

  from deconv import data
  from deconv.models import named_layers
  from deconv.tasks.capabilities import Classifies
  from deconv.visualization import occlusion

  square = _SQUARE.value or max(1, images[0].shape[0] // 4)
  if square > min(images[0].shape[:2]):
    raise UserError(f'--square={square} is larger than the images, {images[0].shape[0]}x{images[0].shape[1]}')
  classifies, rows, records = isinstance(task, Classifies), [], []

  @jax.jit
  def answer(x):
    """What the layer says of each unit, summed over its map, its largest responses, and the class probabilities."""
    found = named_layers.outputs(looking, x)[layer]
    flat = found.reshape(len(x), -1, found.shape[-1])
    probabilities = jax.nn.softmax(looking.run(x)[0].astype(jnp.float32)) if classifies else None
    return flat.sum(axis=1), flat.max(axis=1), probabilities

  for number, image in enumerate(images):
    _, largest, probabilities = answer(data.to_signed(image[None]))
    unit = int(largest[0].argmax())
    named = int(probabilities[0].argmax()) if classifies else None

    def measure(x, unit=unit, named=named):
      sums, _, probabilities = answer(x)
      # As in the paper's figure 7 (b): the sum over the map of the unit that responds most to the whole image.
      numbers = {'activation': sums[:, unit]}
      return {**numbers, 'confidence': probabilities[:, named]} if classifies else numbers

    maps = occlusion.occlude(measure, image, square, max(1, square // 4))
    records.append({'image': number, 'unit': unit, 'class': named, **{name: x.tolist() for name, x in maps.items()}})
    rows += [_colour(image), *(_heat(x, image.shape[:2]) for x in maps.values())]
  columns = ['image', *maps]
  sheet = plots.image_grid(plots.at_least(np.stack(rows), _SMALLEST), len(columns))
  text = f'{" | ".join(columns)}: dark where hiding a square of {square} pixels lowers the number; layer {layer}'
  plots.save_png(os.path.join(folder, 'occlusion.png'), plots.caption(sheet, text))
  atomic_files.write_json(os.path.join(folder, 'occlusion.json'), {'layer': layer, 'square': square, 'images': records})
  return ['occlusion.png', 'occlusion.json']


def _heat(values, shape):
  """Floats (rows, columns) -> uint8 (*shape, 3), the lowest black and the highest white, in blocks."""
  values = np.asarray(values, np.float64)
  span = np.ptp(values)
  grey = np.round(255 * (values - values.min()) / (span if span > 0 else 1)).astype(np.uint8)
  picked = [np.arange(length) * size // length for length, size in zip(shape, values.shape)]
  return np.repeat(grey[np.ix_(*picked)][..., None], 3, axis=-1)


def _colour(image):
  return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def console():
  """The command line, as `python -m` and the installed command start it."""
  command.run(main, config_from='workdir')


if __name__ == '__main__':
  console()
