"""Measures the checkerboard of every kind of upsampling in the DCGAN generator, at initialisation or after training.

  python -m scripts.measure_checkerboard                    every kind with random parameters
  python -m scripts.measure_checkerboard --workdir=DIR      trained runs, against the data that they were trained on
  ... --json                                                an object per line instead of a table
  ... --save=results/NAME.json                              also a file that the tables of the docs are made from
  ... --pictures=FOLDER                                     also the mean log spectrum of each as a PNG

At initialisation: the generator of 32x32 grey images with uniform codes, batch norm by the statistics of the batch,
several random parameters each; the reference are scikit-learn's handwritten digits, resized to the same size. Decibels
are those of deconv.metrics.checkerboard: power at the frequencies k / stride over their neighbourhood, 0 for white
noise. Stride 2 is the last layer's pattern, 4 that of the last two. Takes about five minutes on two cores. Of a trained
run the evaluator `checkerboard` measures the same beside other numbers; the sweep gan_upsampling compares the kinds.
"""

import argparse
import dataclasses
import json
import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import numpy as np

from deconv import plots
from deconv.errors import UserError
from deconv.experiments import command
from deconv.metrics import checkerboard
from deconv.options import DataOptions
from deconv.options.models.gan import DcganOptions
from deconv.training.saved_config import load_config
from scripts import result_files
from scripts.command_line import numbers, result_file, words

SIZE, WIDTH = 32, 32  # of the images in pixels; channels next to the image


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--workdir', type=words, default=[], help='of runs; without, every kind at initialisation')
  parser.add_argument('--kinds', type=words, help='of Upsample; by default all without switches, deconv as 2 to 5')
  parser.add_argument('--strides', type=numbers, default=[2, 4], help='of the patterns, in pixels')
  parser.add_argument('--num', type=int, default=256, help='images per measurement')
  parser.add_argument('--seeds', type=int, default=5, help='random parameters per kind')
  parser.add_argument('--json', action='store_true')
  parser.add_argument('--pictures', default='', help='folder for the spectra')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  with command.one_sentence():
    rows = _trained(options) if options.workdir else _initial(options)
    _report(rows, options)


def _initial(options):
  """Yields (name, seed, images, reference) of generators with random parameters."""
  import jax

  from deconv.layers import KINDS
  from deconv.models import dcgan

  reference = _real(options.num, DataOptions(source='digits', image_size=SIZE, channels=1))
  for kind in options.kinds or [kind for kind in KINDS if kind not in ('deconv', 'unpool')]:
    generator, _, latent = dcgan.build(
      DcganOptions(upsample=kind, width=WIDTH, kernel_size=5),
      image_shape=(SIZE, SIZE, 1),
      dtype=None,
      batch_norm_axis=None,
    )

    @jax.jit
    def draw(key, generator=generator, latent=latent):
      codes = latent.sample(key, options.num)
      return generator.init_with_output(key, codes, True)[0]

    for seed in range(options.seeds):
      yield kind, seed, np.asarray(draw(jax.random.key(seed))), reference


def _trained(options):
  """Yields (name, seed, images, reference) of trained generators."""
  import jax

  from deconv import data
  from deconv.evaluators.checkerboard import images_of
  from deconv.tasks.capabilities import Generates
  from deconv.training import restore

  for workdir in options.workdir:
    run = load_config(workdir)
    task, state, step = restore.restore(run, workdir)
    if not isinstance(task, Generates):
      raise UserError(f"'{workdir}' is a run of task '{run.task}', which makes no samples; give a generative run")
    given = dataclasses.replace(run.eval, num_samples=options.num)
    images, reference, _ = images_of(task, state, data.open_source(run.data), jax.random.key(run.seed), given)
    yield f'{run.model.upsample} after {step} steps', run.seed, images, reference[: options.num]


def _real(num, options):
  """Returns `num` images of the training split of a source (DataOptions) in [-1, 1]."""
  from deconv import data

  source = data.open_source(options)
  indices = np.random.default_rng(0).permutation(len(source))[:num]
  return np.stack([source[i]['image'] for i in indices]) / 127.5 - 1


def _report(rows, options):
  results, real = {}, {}
  for name, seed, images, reference in rows:
    for stride in options.strides:
      result = checkerboard.measure(images, stride, reference)
      real[stride] = result['checkerboard_real_db']
      results.setdefault((name, stride), []).append(result)
      if options.json:
        print(json.dumps({'name': name, 'stride': stride, 'seed': seed, 'num': len(images), **result}), flush=True)
    if options.pictures and seed == 0:
      os.makedirs(options.pictures, exist_ok=True)
      picture = plots.enlarge(checkerboard.spectrum_picture(images), 4)
      plots.save_png(os.path.join(options.pictures, f'{name.replace(" ", "_")}.png'), picture)
  if options.save:
    _save(results, real, options)
  if options.json:
    return
  print('| upsample | stride | dB | dB above real | rms in [-1, 1] | phase contrast |\n|---|---|---|---|---|---|')
  for (name, stride), found in results.items():
    cells = [np.array([result[column] for result in found]) for column in checkerboard.MEASURED]
    print(
      f'| {name} | {stride} | '
      + ' | '.join(
        f'{cell.mean():.{digits}f}' + (f' ± {cell.std(ddof=1):.{digits}f}' if len(found) > 1 else '')
        for cell, digits in zip(cells, (1, 1, 4, 3))
      )
      + ' |'
    )
  for stride, decibels in real.items():
    print(f'| real images | {stride} | {decibels:.1f} | 0 | | |')
  print(
    f'\n{options.num} images; mean'
    + (f' ± standard deviation over {options.seeds} random parameters' if not options.workdir else '')
  )


def _save(results, real, options):
  rows = [
    result_files.row(
      name,
      {
        'stride': stride,
        **{
          column: result_files.spread([float(result[column]) for result in found]) for column in checkerboard.MEASURED
        },
      },
    )
    for (name, stride), found in results.items()
  ]
  rows += [
    result_files.row('real images', {'stride': stride, 'checkerboard_db': float(decibels), 'checkerboard_excess_db': 0})
    for stride, decibels in real.items()
  ]
  over = 'trained runs' if options.workdir else f'at initialisation, over {options.seeds} random parameters'
  protocol = {'n': options.num, 'note': f'DCGAN generators, {over}, against as many real images'}
  result_files.save_benchmark(options.save, 'scripts.measure_checkerboard', protocol, rows)


if __name__ == '__main__':
  main()
