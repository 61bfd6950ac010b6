"""Images a second of the data sources, on files that it makes: JPEG of CelebA's size, cropped to 108 and resized to 64.

  python -m scripts.benchmark_data [--images=2000] [--rounds=5] [--workers=2] [--save=results/NAME.json]

The ways are measured in turn, round by round, and the median of the rounds is printed with the slowest and the fastest,
so that whatever else the machine does falls on all of them alike.
"""

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
import zipfile

import numpy as np
from PIL import Image

from deconv.data import DataOptions, TrainBatches, open_source
from deconv.experiments import command
from scripts import result_files
from scripts.command_line import result_file

_BATCH = 128


def _make(root, count):
  """Writes a folder and an archive of smooth random JPEG files of 178x218 pixels; returns their mean size in bytes."""
  random = np.random.RandomState(0)
  folder, archive = os.path.join(root, 'images'), os.path.join(root, 'images.zip')
  os.makedirs(folder)
  sizes = []
  with zipfile.ZipFile(archive, 'w') as members:
    for index in range(count):
      coarse = Image.fromarray(random.randint(0, 256, (28, 23, 3)).astype(np.uint8))
      path = os.path.join(folder, f'{index:06d}.jpg')
      coarse.resize((178, 218), Image.Resampling.BICUBIC).save(path, quality=90)
      members.write(path, f'images/{index:06d}.jpg')
      sizes.append(os.path.getsize(path))
  return folder, archive, statistics.mean(sizes)


def _rate(batches, steps):
  """Images a second of so many batches, after one that is not counted."""
  iterator = batches.iterate()
  next(iterator)
  start = time.perf_counter()
  for _ in range(steps):
    next(iterator)
  rate = steps * _BATCH / (time.perf_counter() - start)
  iterator.close()
  return rate


def main(argv=None):
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--images', type=int, default=2000)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--workers', type=int, default=2)
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  args = parser.parse_args(argv)
  with tempfile.TemporaryDirectory() as root:
    folder, archive, size = _make(root, args.images)
    options = DataOptions(
      source='folder',
      path=folder,
      image_size=64,
      channels=3,
      crop=108,
      memory_limit_mb=0,
      workers=args.workers,
      prefetch=4,
    )
    in_archive = dataclasses.replace(options, source='zip', path=archive)
    steps = args.images // _BATCH
    held = {}

    def decode_into_memory():
      start = time.perf_counter()
      held['batches'] = TrainBatches(
        open_source(options), _BATCH, 0, dataclasses.replace(options, memory_limit_mb=1024)
      )
      return args.images / (time.perf_counter() - start)

    def streamed(options, kind):
      return _rate(TrainBatches(open_source(options), _BATCH, 0, dataclasses.replace(options, worker_kind=kind)), steps)

    ways = {
      'decode into memory (once, at the start)': decode_into_memory,
      'batches from memory': lambda: _rate(held['batches'], 20 * steps),
      'folder, threads': lambda: streamed(options, 'thread'),
      'folder, processes': lambda: streamed(options, 'process'),
      'zip, threads': lambda: streamed(in_archive, 'thread'),
      'zip, processes': lambda: streamed(in_archive, 'process'),
    }
    rates = {way: [] for way in ways}
    for _ in range(args.rounds):
      for way, measure in ways.items():
        rates[way].append(measure())
  print(
    f'{args.images} JPEG files of {size / 1000:.1f} kB, {args.workers} workers, {os.cpu_count()} cores, '
    f'{args.rounds} rounds; images a second: median (slowest to fastest)'
  )
  for way, found in rates.items():
    print(f'  {way:42} {statistics.median(found):9.0f}  ({min(found):.0f} to {max(found):.0f})')
  result_files.save_benchmark(
    args.save,
    'scripts.benchmark_data',
    {
      'workers': args.workers,
      'rounds': args.rounds,
      'note': f'{args.images:,} JPEG files of 178x218 pixels and {size / 1000:.1f} kB, cropped to 108, resized to 64; '
      'medians of interleaved rounds',
    },
    [
      result_files.row(
        way, {'images_per_second': statistics.median(found), 'slowest': min(found), 'fastest': max(found)}
      )
      for way, found in rates.items()
    ],
  )


if __name__ == '__main__':
  with command.one_sentence():
    main()
