"""Segmentation decoders on one encoder, one protocol and several seeds: trains what is missing and prints the tables.

  python -m scripts.compare_segmentation --out=runs/decoders [--seeds=0,1,2] [--sources=scenes,digit_scenes]
  python -m scripts.compare_segmentation --out=runs/upsampling --ablation

Each run is `experiments.main` on configs/unet_SOURCE.py with another network (FCN-32s, 16s, 8s, DeconvNet, SegNet,
U-Net) or, with `--ablation`, another `model.upsample` in SegNet's decoder: its own unpooling by switches, transposed
convolution, resizing. Encoder and protocol are those of configs/unet_SOURCE.py, deep supervision included, but for the
FCNs, whose scores are of coarse maps anyway. Whatever follows `--` goes to every run: `-- --config.train.steps=1000`.
A run that is finished is not run again, so an interrupted comparison goes on where it stood.

Prints a table for each source (mean and standard deviation over the seeds; milliseconds a step are the median over the
lines of the training) and writes OUT/comparison.json, OUT/SOURCE.png (bars) and OUT/SOURCE_predictions.png (the first
test images as each network of the first seed sees them).
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys

from configs import unet_scenes

_FCN = {'model.name': 'fcn', 'objective.deep_supervision': 0}
DECODERS = {
    'FCN-32s': {**_FCN, 'model.skips': 0},
    'FCN-16s': {**_FCN, 'model.skips': 1},
    'FCN-8s': {**_FCN, 'model.skips': 2},
    'DeconvNet': {'model.name': 'deconvnet'},
    'SegNet': {'model.name': 'segnet'},
    'U-Net': {},
}
UPSAMPLING = {
    'unpooling by switches': {'model.name': 'segnet'},
    'transposed convolution 4x4': {'model.name': 'segnet', 'model.upsample': 'deconv4'},
    'nearest resize': {'model.name': 'segnet', 'model.upsample': 'resize_nearest'},
    'bilinear resize': {'model.name': 'segnet', 'model.upsample': 'resize_bilinear'},
}
METRICS = ('miou', 'boundary_iou', 'pixel_accuracy')
SHOWN = 6  # test images in the picture


def command(source, fields, seed, workdir, extra=()):
  """Returns the arguments of one run, a list of str."""
  fields = {**fields, 'model.convs': unet_scenes.CONVS, 'seed': seed}
  overrides = [f'--config.{field}={value}' for field, value in fields.items()]
  return [sys.executable, '-m', 'experiments.main', f'--config=configs/unet_{source}.py', f'--workdir={workdir}',
          *overrides, *extra]


def folder(out, source, label, seed):
  """Returns the folder of one run."""
  return os.path.join(out, source, label.replace(' ', '_'), seed)


def finished(workdir):
  """Whether a folder holds a run that went to its end."""
  try:
    with open(os.path.join(workdir, 'run.json'), encoding='utf-8') as file:
      return bool(json.load(file).get('finished'))
  except (OSError, ValueError):
    return False


def read(workdir):
  """Returns {name: number} of a finished run: METRICS of its last evaluation, 'milliseconds' a step, 'parameters'."""
  with open(os.path.join(workdir, 'metrics.jsonl'), encoding='utf-8') as file:
    lines = [json.loads(line) for line in file]
  last = [line for line in lines if line['split'] == 'eval'][-1]
  with open(os.path.join(workdir, 'run.json'), encoding='utf-8') as file:
    about = json.load(file)
  speeds = [line['images_per_second'] for line in lines if line['split'] == 'train' and line.get('images_per_second')]
  return {**{name: last[name] for name in METRICS if name in last}, 'parameters': parameters(workdir),
          'milliseconds': 1000 * about['batch_size'] / statistics.median(speeds), 'step': last['step']}


def parameters(workdir):
  """Returns the number of parameters of a run's network, from the shapes that its config makes."""
  import jax
  import numpy as np
  from deconv.training import experiment
  from deconv.training.parallel import Parallel
  from experiments import command as entry
  config = entry.load_config(workdir)
  task = experiment.build_task(config, Parallel(**config.parallel), total=2**30)
  size = config.data.image_size
  example = {'image': np.zeros((1, size, size, config.data.channels), np.uint8)}
  state = jax.eval_shape(task.init, jax.random.key(0), example)
  return sum(x.size for x in jax.tree.leaves(state.networks['net'].params))


def table(rows):
  """Returns Markdown of {label: [{name: number} of each seed]}."""
  lines = ['| network | mIoU | boundary IoU | pixel accuracy | ms a step | parameters | seeds |', '|---|' + '---|' * 6]
  for label, runs in rows.items():
    cells = [spread([run[name] for run in runs]) for name in METRICS]
    speed = statistics.median(run['milliseconds'] for run in runs)
    lines.append(f"| {label} | {' | '.join(cells)} | {speed:.0f} | {runs[0]['parameters']:,} | {len(runs)} |")
  return '\n'.join(lines)


def spread(values):
  """Returns 'mean ± standard deviation', or the value alone where there is one."""
  mean = statistics.mean(values)
  return f'{mean:.3f} ± {statistics.stdev(values):.3f}' if len(values) > 1 else f'{mean:.3f}'


def figure(path, rows):
  """Writes bars of mIoU and boundary IoU, with the standard deviations."""
  try:
    import matplotlib
  except ImportError:
    print(f'{path} is not drawn: matplotlib is not installed (pip install matplotlib).', file=sys.stderr)
    return
  matplotlib.use('Agg')
  from matplotlib import pyplot
  labels = list(rows)
  shown, axes = pyplot.subplots(figsize=(1.2 + 1.1 * len(labels), 3.2))
  for i, name in enumerate(('miou', 'boundary_iou')):
    values = [[run[name] for run in rows[label]] for label in labels]
    axes.bar([x + 0.38 * (i - 0.5) for x in range(len(labels))], [statistics.mean(v) for v in values], 0.36,
             yerr=[statistics.stdev(v) if len(v) > 1 else 0 for v in values], label=name.replace('_', ' '), capsize=2)
  axes.set_xticks(range(len(labels)), labels, rotation=20, ha='right', fontsize=8)
  axes.set_ylim(0, 1)
  axes.legend(fontsize=8)
  shown.tight_layout()
  shown.savefig(path, dpi=150)
  pyplot.close(shown)


def predictions(path, workdirs):
  """Writes rows of image | truth | what each network makes of it; `workdirs` is {label: folder of a finished run}."""
  import numpy as np
  from deconv import data, plots
  from deconv.training import restore
  from experiments import command as entry
  columns = {}
  for label, workdir in workdirs.items():
    config = entry.load_config(workdir)
    if not columns:
      test = data.open_source(data.DataOptions(**config.data), split=config.data.eval_split)
      items = [test[i] for i in range(min(SHOWN, len(test)))]
      columns = {'image': [item['image'] for item in items], 'truth': [plots.colour_mask(x['mask']) for x in items]}
    task, state, _ = restore.restore(config, workdir)
    classes = [task.predict_image(state, item['image']).argmax(-1) for item in items]
    columns[label] = [plots.colour_mask(x) for x in classes]
  strips = [plots.caption(plots.enlarge(plots.image_grid(np.stack(column), 1), 2), label)
            for label, column in columns.items()]
  height = max(len(strip) for strip in strips)
  strips = [np.pad(strip, ((0, height - len(strip)), (0, 0), (0, 0)), constant_values=255) for strip in strips]
  names = list(zip(config.data.class_names, plots.voc_palette()))
  plots.save_png(path, plots.legend(np.concatenate(strips, axis=1), names))


def main(argv=None):
  """Runs the command; returns its exit status."""
  argv = list(sys.argv[1:] if argv is None else argv)
  argv, extra = (argv[:argv.index('--')], argv[argv.index('--') + 1:]) if '--' in argv else (argv, [])
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--out', required=True, help='folder of the runs')
  parser.add_argument('--seeds', default='0,1,2')
  parser.add_argument('--sources', default='scenes,digit_scenes')
  parser.add_argument('--ablation', action='store_true', help='kinds of upsampling instead of decoders')
  parser.add_argument('--only', default='', help='comma-separated labels of the table; default: all')
  options = parser.parse_args(argv)
  variants = UPSAMPLING if options.ablation else DECODERS
  labels = [label for label in variants if not options.only or label in options.only.split(',')]
  if not labels:
    parser.error(f"--only names none of: {', '.join(variants)}")
  found = collections.defaultdict(dict)
  for seed in options.seeds.split(','):  # all networks of a seed first: what is there can be compared early
    for source in options.sources.split(','):
      for label in labels:
        workdir = folder(options.out, source, label, seed)
        if not finished(workdir):
          status = subprocess.run(command(source, variants[label], seed, workdir, extra), check=False).returncode
          if status or not finished(workdir):
            print(f'{workdir}: the run did not end (exit status {status}); call again to go on', file=sys.stderr)
            return status or 1
        found[source].setdefault(label, []).append(read(workdir))
  for source, rows in found.items():
    print(f'\n{source}\n\n{table(rows)}')
    figure(os.path.join(options.out, f'{source}.png'), rows)
    seed = options.seeds.split(',')[0]
    predictions(os.path.join(options.out, f'{source}_predictions.png'), {
        label: folder(options.out, source, label, seed) for label in rows})
  with open(os.path.join(options.out, 'comparison.json'), 'w', encoding='utf-8') as file:
    json.dump(found, file, indent=2)
  return 0


if __name__ == '__main__':
  sys.exit(main())
