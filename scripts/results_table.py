"""Renders results/*.json into the tables of README.md and docs/*.md: `python -m scripts.results_table [--check]`.

A table stands in a page between two lines:

  <!-- table: NAME -->
  <!-- end of table -->

NAME is one of TABLES. `<!-- table: NAME of FILE -->` takes results/FILE.json in place of the table's own files: the
same benchmark of another machine. Nothing is written by hand between the lines; run this command again after a file
in results/ is new. `--check` writes nothing and exits with status 1 where a page and the files differ.
"""

import argparse
import pathlib
import re
from statistics import geometric_mean
import sys

from deconv import atomic_files
from deconv.errors import UserError, nearest
from deconv.experiments import command
from deconv.ops import cpu_rule
from deconv.options.options import documentation
from scripts import result_files
from scripts.table_format import NONE, Column, Entry, Table, config, device, fastest, field, trail, value

ROOT = pathlib.Path(__file__).resolve().parent.parent
_MARKED = re.compile(r'(<!-- table: (\S+)(?: of (\S+))? -->\n)(.*?)(<!-- end of table -->)', re.DOTALL)
_OPENED = re.compile(r'<!-- table: ')


def _of(name):
  """Entries whose row has this group."""
  return lambda entry: entry.row['group'] == name


def newest(pattern):
  """Returns a function: the newest result on a CPU among the files of a pattern, by date and name."""

  def files():
    names = [path.stem for path in result_files.FOLDER.glob(f'{pattern}.json')]
    found = {name: result_files.load(name) for name in names}
    on_cpu = [name for name in names if not found[name]['device']['accelerator']]
    return [max(on_cpu, key=lambda name: (found[name]['date'] or '', name))]

  return files


def _minutes(entry):
  """Returns the time of a whole run."""
  seconds = entry.number('finished_seconds')
  if seconds is None:
    return NONE
  minutes, rest = divmod(round(seconds), 60)
  return f'{minutes} min {rest} s' if minutes else f'{rest} s'


def _rate(name, other=None):
  """Returns the cell 'milliseconds (GFLOP/s)' of a layer benchmark."""
  key = f'{name}.{other}'
  return lambda entry: f'{entry.show(f"seconds.{key}", 1, 1000)} ({entry.show(f"gflops.{key}", 0)})'


def _geometric_means(entries):
  """Returns the sentence under the table of layers."""
  names = {'lax': '`lax`', 'torch': 'PyTorch'}
  parts = []
  for other, shown in names.items():
    ratios = {entry.row['name']: ratio for entry in entries if (ratio := entry.number(f'ratio.{other}'))}
    if ratios:
      lowest = min(ratios, key=ratios.get)
      parts.append(f'{geometric_mean(ratios.values()):.2f} times {shown} (lowest {ratios[lowest]:.2f}: {lowest})')
  return f'Geometric mean: {", ".join(parts)}.'


class _Lines:
  """A table whose rows are texts with numbers of several files: `render` as that of a Table."""

  def __init__(self, headings, rows):
    self.headings, self.rows = headings, rows

  def render(self, files=None):
    """Returns the Markdown; the files are those of its rows."""
    if files:
      raise UserError('this table names its own files: write its marker without `of FILE`')
    lines = ['| ' + ' | '.join(self.headings) + ' |', '|---' * len(self.headings) + '|']
    return '\n'.join([*lines, *('| ' + ' | '.join(cells) + ' |' for cells in self.rows())])


def _headline():
  """Yields family, config, data, number, protocol of at most eight results."""

  def row(family, file, data, number, protocol, which=lambda row: True):
    result = result_files.load(file)
    entry = Entry(file, result, next(row for row in result['rows'] if which(row)))
    variant = f':{entry.row["variant"]}' if entry.row['variant'] else ''
    return family, f'`{entry.row["config"]}{variant}`', data, number(entry.show), protocol

  yield row(
    'GAN',
    'cdcgan_mnist',
    'MNIST, with labels',
    lambda show: f'1-NN trained on samples errs on {show("knn_error", 2, 100)} % of real digits (published: 2.98)',
    '50,000 samples, seed 0',
  )
  yield row('VAE', 'conv_vae_mnist', 'MNIST', lambda show: f'−log p(x) {show("nll", 2)} nats', '500 importance samples')
  yield row(
    'segmentation',
    'unet_camvid',
    'CamVid, 480x360',
    lambda show: f'mIoU {show("whole_miou", 1, 100)} %, from random weights',
    '101 pictures of `val`, seed 0',
  )
  yield row(
    'segmentation',
    'segmentation_decoders',
    'digits on photographs',
    lambda show: f'mIoU {show("miou", 3)}',
    'three seeds, U-Net',
    lambda row: row['name'] == 'U-Net' and row['group'] == 'digit_scenes',
  )
  yield row(
    'super-resolution',
    'fsrcnn_x2',
    'T91 to Set5, x2',
    lambda show: (
      f'{show("whole_psnr", 2)} dB (published: {_PUBLISHED_SET5["fsrcnn_x2"]}; bicubic: '
      f'{show("whole_psnr_baseline", 2)})'
    ),
    'five pictures, luminance, seed 0',
  )
  yield row(
    'denoising',
    'rednet_set12',
    'Set12, sigma 25',
    lambda show: f'{show("whole_psnr", 2)} dB ({", ".join(f"{name}: {x}" for name, x in _PUBLISHED_SET12.items())})',
    'twelve pictures, seed 0',
  )
  yield row(
    'inpainting',
    'inpaint_digits',
    'handwritten digits, 16x16 hole',
    lambda show: f'{show("whole_psnr", 2)} dB (biharmonic fill: {show("whole_psnr_biharmonic", 2)})',
    '297 test digits, seed 0',
  )
  yield row(
    'inverse graphics',
    'dcign_scenes',
    'rendered heads, 32x32',
    lambda show: f'azimuth followed with rank correlation {show("azimuth_monotone", 2)}',
    'unseen heads, seed 0',
  )


def _speed():
  """Yields two rows: all layers in geometric mean, and a whole training step, against the other libraries."""
  layers = TABLES['layers'].entries()
  means = [geometric_mean([entry.number(f'ratio.{other}') for entry in layers]) for other in ('lax', 'torch')]
  yield (
    f'{len(layers)} transposed convolutions, forward and both gradients, geometric mean',
    *(f'{mean:.2f}' for mean in means),
  )
  steps = {entry.row['name']: entry for entry in TABLES['steps'].entries()}
  yield (
    'DCGAN-64 training step, batch 64',
    *(steps[f'dcgan64 {other}'].show('ours_over_this', 2) for other in ('flax', 'torch')),
  )


def _cpu_rules():
  """Yields a row of each threshold of deconv.ops.cpu_rule: its name, its meaning, its value in each table."""
  meaning = documentation(cpu_rule.CpuRule)
  tables = [rule.thresholds() for rule in cpu_rule.RULES.values()]
  for name in tables[0]:
    values = ('never' if table[name] == cpu_rule.NEVER else f'{table[name]:,}' for table in tables)
    yield (f'`{name}`', meaning[name].rstrip('.'), *values)


def _families():
  """Yields a row for each family: our images per second, and PyTorch's in the layout that is faster for it."""
  (file,) = newest('benchmark_train-families-*')()
  cases = {}
  for row in (rows := result_files.load(file))['rows']:
    cases.setdefault(row['group'], {})[row['name'].removeprefix(f'{row["group"]} ')] = Entry(file, rows, row)
  ratios = []
  for case, entries in cases.items():
    layouts = {name: shown for name, shown in _LAYOUTS.items() if name in entries}
    best = min(layouts, key=lambda name: entries[name].number('ours_over_this'))
    ratios.append(entries[best].number('ours_over_this'))
    rates = (entries[name].show('images_per_second', 0) for name in ('ours', best))
    ours = entries['ours']
    yield f'`{case}`', ours.show('batch_size', 0), *rates, _LAYOUTS[best], f'{ratios[-1]:.2f}'
  yield 'geometric mean', '', '', '', '', f'{geometric_mean(ratios):.2f}'


def _native_steps():
  """Yields a row for each training step: our images per second without and with the form 'native', and PyTorch's."""
  cases = {}
  for row in (rows := result_files.load('native_steps'))['rows']:
    cases.setdefault(row['group'], {})[row['name'].removeprefix(f'{row["group"]} ')] = Entry('native_steps', rows, row)
  ratios = []
  for case, entries in cases.items():
    layouts = {name: shown for name, shown in _LAYOUTS.items() if name in entries}
    best = min(layouts, key=lambda name: entries[name].number('ours_native_over_this'))
    ratios.append([entries[name].number('ours_native_over_this') for name in ('ours', best)])
    rates = (entries[name].show('images_per_second', 0) for name in ('ours', 'ours_native', best))
    yield f'`{case}`', *rates, _LAYOUTS[best], *(f'{ratio:.2f}' for ratio in ratios[-1])
  yield 'geometric mean', '', '', '', '', *(f'{geometric_mean(column):.2f}' for column in zip(*ratios))


def _judged(entry):
  """Returns whose images were judged."""
  if entry.row['fields'].get('eval.judged') == 'real':
    return 'real test images'
  return f'`{entry.row["config"]}`'


def _membrane_network(entry):
  """Returns how the sweep calls the network that a row of it, or of its evaluations again, is of."""
  fields = {name: value for name, value in entry.row['fields'].items() if name != 'eval.flips'}
  return next(row['name'] for row in result_files.load('em_unet')['rows'] if row['fields'] == fields)


# On Set12, noise of sigma 25 (Zhang et al. 2017).
_PUBLISHED_SET12 = {'BM3D': 29.97, 'DnCNN-S': 30.44}
# On Set5, of networks trained on T91: FSRCNN (Dong et al., ECCV 2016, table 3), ESPCN (Shi et al. 2016, table 1) and
# SRCNN 9-1-5 (Dong et al., TPAMI 2016, section 4.1). Then the papers' best, trained on ImageNet, SRCNN as 9-5-5.
_PUBLISHED_SET5 = {'fsrcnn_x2': 36.94, 'fsrcnn_x3': 33.06, 'fsrcnn_x4': 30.55, 'espcn_x3': 32.55, 'srcnn_x3': 32.39}
_PUBLISHED_IMAGENET = {'espcn_x3': 33.13, 'srcnn_x3': 32.75}


def _more_than_published(entry):
  """Returns our PSNR less the published one."""
  return f'{entry.number("whole_psnr") - _PUBLISHED_SET5[entry.row["config"]]:+.2f}'


_LAYOUTS = {'torch': 'channels first', 'torch_last': 'channels last', 'torch_compiled': 'channels last, compiled'}
_MIOU = (value('mIoU', 'miou', 3, best=max), value('boundary IoU', 'boundary_iou', 3, best=max))
_CAMVID = (
  value('global accuracy, %', 'whole_pixel_accuracy', 1, 100, best=max),
  value('class average, %', 'whole_mean_accuracy', 1, 100, best=max),
  value('mIoU, %', 'whole_miou', 1, 100, best=max),
  value('boundary IoU, %', 'whole_boundary_iou', 1, 100, best=max),
)
_MEMBRANES = (
  value('V-Rand, best threshold', 'v_rand_best', 3, best=max),
  value('V-Info, best threshold', 'v_info_best', 3, best=max),
  value('V-Rand at 1/2', 'v_rand', 3, best=max),
  value('IoU of the inside', 'whole_iou_inside', 3, best=max),
  value('boundary IoU', 'whole_boundary_iou', 3, best=max),
)
_DISTANCES = (
  value('distance to nearest real', 'neighbour_distance', 3),
  value('held-out images: distance', 'neighbour_distance_heldout', 3),
)
_CLOSER = (
  value('share closer', 'neighbour_closer', 2),
  value('held-out images: share closer', 'neighbour_closer_heldout', 2),
)
_DECODERS = (
  field('decoder', 'name'),
  *_MIOU,
  value('ms per step', 'milliseconds', 0),
  value('parameters', 'parameters', 0),
)
_STEP = field('steps', 'step')
_EVERY = Column('every, steps', lambda entry: f'{entry.row["history"][0]["step"]:,}')


def _candidates(*names):
  """Columns of milliseconds of the forms that an operator can take; PyTorch stands beside them."""
  rivals = [f'seconds.{name}' for name in names]
  columns = [fastest(name, f'seconds.{name}', rivals) for name in names]
  return [field('ms', 'name'), *columns, fastest('PyTorch', 'seconds.pytorch', ())]


def _reports(files, ours, ratio):
  return Table(
    files,
    [
      field('report', 'name'),
      field('part', 'group'),
      *(value(f'{name}, ms', f'seconds.{name}', 1, 1000) for name in ('lax', ours, 'torch')),
      value(f'lax / {ours}', ratio, 1),
    ],
  )


TABLES = {
  'headline': _Lines(('family', 'config', 'data', 'result', 'protocol'), _headline),
  'speed': _Lines(('how many times as fast ours is', 'as `lax` or Flax', 'as PyTorch'), _speed),
  'cpu_rules': _Lines(('threshold', 'meaning', *(f'`{name}`' for name in cpu_rule.RULES)), _cpu_rules),
  'families': _Lines(
    ('training step', 'batch', 'ours, images per second', 'PyTorch', 'its layout', 'ours over PyTorch'), _families
  ),
  'native_steps': _Lines(
    (
      'training step',
      'ours, images per second',
      'with `native`',
      'PyTorch',
      'its layout',
      '`native` over ours',
      '`native` over PyTorch',
    ),
    _native_steps,
  ),
  # Quality.
  'gan': Table(
    ('dcgan_digits', 'sndcgan_digits', 'dcgan_mnist', 'dcgan_mnist-hinge', 'gan_mnist', 'dcgan_digits-minimax'),
    [
      config(),
      _STEP,
      value('classes covered', 'coverage', 2),
      value('entropy, nats (most 2.30)', 'entropy', 2),
      value("classifier's accuracy", 'classifier_accuracy', 3),
      *_DISTANCES,
      *_CLOSER,
    ],
  ),
  'gan_curves': Table(
    ('dcgan_mnist', 'dcgan_mnist-hinge'),
    [
      config(),
      _EVERY,
      trail("discriminator's loss", 'loss_disc', 2),
      trail('distance to nearest real', 'neighbour_distance', 3),
    ],
    caption=False,
  ),
  'faces': Table(
    ('dcgan_anime', 'dcgan_anime-diff_augment'),
    [config(), _STEP, *_DISTANCES, *_CLOSER, Column('from command to end', _minutes)],
  ),
  'labels': Table(
    ('cdcgan_mnist',),
    [
      config(),
      _STEP,
      value('error of 1-NN on samples, %', 'knn_error', 2, 100),
      *_DISTANCES,
      Column('from command to end', _minutes),
    ],
  ),
  'labels_curve': Table(
    ('cdcgan_mnist',),
    [
      config(),
      Column('at steps', lambda entry: ', '.join(str(values['step']) for values in entry.row['history'])),
      trail('error of 1-NN on 10,000 samples, %', 'knn_error', 2, 100),
    ],
    caption=False,
  ),
  'codes': Table(
    ('infogan_mnist',),
    [
      config(),
      _STEP,
      value('classes covered', 'coverage', 2),
      value('entropy, nats (most 2.30)', 'entropy', 2),
      value('digits that the code names wrongly, %', 'code_error', 1, 100),
      *_DISTANCES,
    ],
  ),
  'gaussians': Table(
    ('gan_gaussians',),
    [
      field('objective, penalty', 'name'),
      value('Gaussians covered', 'modes', 1),
      value('touched', 'modes_touched', 1),
      value('good samples', 'good_samples', 3),
    ],
  ),
  'points': Table(
    ('gan_grid', 'gan_ring'),
    [
      config(),
      _STEP,
      value('Gaussians covered', 'modes', 0),
      value('touched', 'modes_touched', 0),
      value('good samples', 'good_samples', 3),
    ],
  ),
  'judged': Table(
    ('judged_mnist', 'judged_mnist-50000', 'judged_mnist-real'),
    [
      Column('images', _judged),
      Column('how many', lambda entry: f'{entry.row["fields"]["eval.num_samples"]:,}'),
      Column('seeds', lambda entry: str(len(entry.row['seeds']))),
      value('`lenet_fid`', 'lenet_fid', 2),
      value('`lenet_kid`, thousandths', 'lenet_kid', 1, 1000),
      value('precision', 'precision', 3),
      value('recall', 'recall', 3),
      value('density', 'density', 2),
      value('coverage', 'manifold_coverage', 3),
      value('error of 1-NN, %', 'knn_error', 2, 100),
      value('two-sample accuracy', 'two_sample_accuracy', 3),
    ],
  ),
  'upsampling': Table(
    ('gan_upsampling',),
    [
      field('upsampling', 'name', code=True),
      value('`lenet_fid`', 'lenet_fid', 2, best=min),
      value('precision', 'precision', 3, best=max),
      value('recall', 'recall', 3, best=max),
      value('coverage', 'manifold_coverage', 3, best=max),
      value('2 pixels, dB above real', 'checkerboard_excess_db_2', 2, best=min),
      value('4 pixels, dB above real', 'checkerboard_excess_db_4', 2, best=min),
      value('phase contrast', 'phase_contrast_2', 4, best=min),
      value('parameters', 'parameters', 0),
    ],
  ),
  'classification': Table(
    ('cnn_digits', 'cnn_mnist'),
    [
      config(),
      _STEP,
      value('accuracy', 'accuracy', 4),
      value('of the worst class', 'accuracy_worst_class', 3),
      value('cross-entropy, nats', 'cross_entropy', 3),
      value('parameters', 'parameters', 0),
    ],
  ),
  'augmentation': Table(
    ('gan_augmentation',),
    [
      field('training images', 'name'),
      value('accuracy', 'accuracy', 4),
      value('cross-entropy, nats', 'cross_entropy', 3),
    ],
  ),
  'augmentation_gans': Table(
    ('gan_augmentation_gans',),
    [field('real images of the GAN', 'name'), value('error of 1-NN on samples, %', 'knn_error', 1, 100)],
  ),
  'sparse_coding': Table(
    ('dn_photos', 'dn_digits'),
    [
      config(),
      _STEP,
      value('PSNR of the top layer, dB', 'psnr', 2),
      value('SNR, dB', 'snr', 2),
      value('objective of layer 1', 'objective', 1),
      value('maps used', 'nonzero', 3),
      value('noisy, dB', 'noisy_psnr', 2),
      value('denoised, dB: layer 1', 'denoised_psnr_layer1', 2),
      value('layer 2', 'denoised_psnr_layer2', 2),
      value('half missing, dB: means', 'inpainted_psnr_mean', 2),
      value('layer 1', 'inpainted_psnr_layer1', 2),
      value('layer 2', 'inpainted_psnr_layer2', 2),
      value('images explained per second', 'inference_images_per_second', 1),
    ],
  ),
  'sparse_coding_published': Table(
    ('dn_fruit', 'dn_city', 'dn_fruit-inpainting', 'dn_city-inpainting'),
    [
      config(),
      _STEP,
      value('stretched PSNR, dB', 'psnr_stretched', 2),
      value('PSNR in pixels, dB', 'psnr', 2),
      value('SNR, dB', 'snr', 2),
      value('objective', 'objective', 1),
      value('maps used', 'nonzero', 3),
    ],
  ),
  'sparse_coding_features': Table(
    ('dn_digits', 'dn_digits-two'),
    [
      config(),
      value('accuracy on pixels', 'linear_accuracy_pixels', 3),
      value('on layer 1', 'linear_accuracy_layer1', 3),
      value('on layer 2', 'linear_accuracy_layer2', 3),
      value('on both', 'linear_accuracy_layers', 3),
    ],
  ),
  'sparse_coding_solvers': Table(
    ('benchmark_sparse_coding',),
    [
      field('solver', 'name'),
      field('mode', 'group'),
      *(
        value(f's to within {shown}', f'seconds.{close}', 2)
        for close, shown in (('tenth', '10 %'), ('hundredth', '1 %'), ('thousandth', '0.1 %'))
      ),
      value('iterations to 1 %', 'iterations.hundredth', 0),
      value('ms an iteration', 'seconds.iteration', 0, 1000),
    ],
  ),
  'autoencoders': Table(
    ('vae_mnist', 'vae_mnist-grey', 'iwae_mnist-vae', 'iwae_mnist', 'conv_vae_mnist', 'conv_vae_mnist-relu'),
    [config(), _STEP, value('−ELBO', 'neg_elbo', 1), value('−log p(x)', 'nll', 1, best=min)],
  ),
  'autoencoder_curves': Table(
    ('vae_mnist', 'iwae_mnist-vae', 'iwae_mnist', 'conv_vae_mnist'),
    [config(), _EVERY, trail('−ELBO', 'neg_elbo', 1)],
    caption=False,
  ),
  'vae_digits': Table(
    ('vae_digits', 'vae_digits_variants'),
    [config(), _STEP, value('−ELBO', 'neg_elbo', 1), value('−log p(x)', 'nll', 1)],
  ),
  'disentanglement': Table(
    ('beta_vae_shapes-mlp', 'beta_vae_shapes'),
    [
      config(),
      _STEP,
      value('MIG', 'mig', 3),
      value('SAP', 'sap', 3),
      value('DCI disentanglement', 'dci_disentanglement', 3),
      value('FactorVAE accuracy', 'factor_accuracy', 3),
      value('−ELBO', 'neg_elbo', 1),
      value('KL', 'rate', 1),
    ],
  ),
  'inverse_graphics': Table(
    ('dcign_scenes',),
    [
      config(),
      _STEP,
      *(
        value(f'{factor}: {what}', f'{factor}_{what}', 2)
        for factor in ('azimuth', 'elevation', 'light')
        for what in ('monotone', 'selective')
      ),
      trail('elevation: monotone on the way', 'elevation_monotone', 2),
      value('−ELBO', 'neg_elbo', 0),
      value('KL', 'rate', 1),
    ],
  ),
  'segmentation_scenes': Table(('segmentation_decoders',), _DECODERS, keep=_of('scenes')),
  'segmentation_digit_scenes': Table(('segmentation_decoders',), _DECODERS, keep=_of('digit_scenes')),
  'segmentation_upsampling': Table(
    ('segmentation_upsampling',),
    [
      field('upsampling', 'name'),
      *_MIOU,
      value('pixel accuracy', 'pixel_accuracy', 3),
      value('parameters', 'parameters', 0),
    ],
  ),
  'unet_scenes': Table(
    ('unet_scenes', 'unet_scenes-long', 'unet_scenes-long_one_core'),
    [
      config(),
      _STEP,
      *_MIOU,
      trail('mIoU on the way', 'miou', 3),
      Column('from command to end', _minutes),
      Column('machine', lambda entry: entry.result['device']['load'] or NONE),
    ],
  ),
  'camvid': Table(
    ('unet_camvid', 'unet_camvid-balanced', 'segnet_camvid', 'segnet_camvid-bilinear'),
    [
      config(),
      _STEP,
      *_CAMVID,
      trail('mIoU on the way, %', 'whole_miou', 1, 100),
      value('parameters', 'parameters', 0),
      Column('from command to end', _minutes),
    ],
  ),
  'camvid_decoders': Table(
    ('camvid_decoders',),
    [field('decoder', 'name'), *_CAMVID, value('ms per step', 'milliseconds', 0), value('parameters', 'parameters', 0)],
  ),
  'em': Table(
    ('unet_em',),
    [
      config(),
      _STEP,
      *_MEMBRANES,
      trail('V-Rand on the way', 'v_rand_best', 3),
      Column('from command to end', _minutes),
    ],
  ),
  'em_unet': Table(
    ('em_unet', 'em_unet-flips'),
    [
      Column('network', _membrane_network),
      Column('mirrored copies averaged', lambda entry: 'yes' if entry.row['fields'].get('eval.flips') else 'no'),
      *_MEMBRANES,
      value('ms per step', 'milliseconds', 0),
    ],
  ),
  'unet_scenes_losses': Table(('unet_scenes_losses',), [field('objective', 'name'), _MIOU[0]]),
  'unet_scenes_variants': Table(
    ('unet_scenes_variants',), [config(), *_MIOU, value('mean accuracy', 'mean_accuracy', 3, best=max)]
  ),
  'deep_supervision': Table(('unet_digit_scenes_deep_supervision',), [field('objective', 'name'), _MIOU[0]]),
  'superres': Table(
    ('superres_photos', 'superres_photos_losses'),
    [
      config(),
      value('PSNR, dB', 'whole_psnr', 2, best=max),
      value('SSIM', 'whole_ssim', 3),
      value('bicubic: PSNR, dB', 'whole_psnr_baseline', 2),
      value('SSIM', 'whole_ssim_baseline', 3),
      value('parameters', 'parameters', 0),
    ],
  ),
  'superres_published': Table(
    tuple(_PUBLISHED_SET5),
    [
      config(),
      _STEP,
      value('PSNR, dB', 'whole_psnr', 2),
      Column('published, trained on T91', lambda entry: f'{_PUBLISHED_SET5[entry.row["config"]]:.2f}'),
      Column('difference', _more_than_published),
      Column('published, trained on ImageNet', lambda entry: str(_PUBLISHED_IMAGENET.get(entry.row['config'], '–'))),
      value('SSIM', 'whole_ssim', 4),
      value('bicubic: PSNR, dB', 'whole_psnr_baseline', 2),
      value('parameters', 'parameters', 0),
      Column('from command to end', _minutes),
    ],
  ),
  'superres_set5': Table(
    ('superres_set5',),
    [
      field('last layer', 'name'),
      value('PSNR, dB', 'whole_psnr', 2, best=max),
      value('SSIM', 'whole_ssim', 4, best=max),
      value('bicubic: PSNR, dB', 'whole_psnr_baseline', 2),
      value('ms per step', 'milliseconds', 0),
      value('parameters', 'parameters', 0),
    ],
  ),
  'denoising': Table(
    ('rednet_denoise_photos', 'rednet_denoise_photos-turns'),
    [
      config(),
      value('PSNR, dB', 'whole_psnr', 2),
      value('SSIM', 'whole_ssim', 3),
      value('noisy input, dB', 'whole_psnr_baseline', 2),
      value('median filter, dB', 'whole_psnr_median', 2),
      value('non-local means, defaults, dB', 'whole_psnr_nlm_default', 2),
      value('non-local means, given the noise level, dB', 'whole_psnr_nlm', 2),
    ],
  ),
  'denoising_published': Table(
    ('rednet_set12',),
    [
      config(),
      _STEP,
      value('PSNR, dB', 'whole_psnr', 2),
      *(
        Column(f'{name}, published', lambda entry, published=published: f'{published:.2f}')
        for name, published in _PUBLISHED_SET12.items()
      ),
      value('SSIM', 'whole_ssim', 4),
      value('non-local means, given the noise level, dB', 'whole_psnr_nlm', 2),
      value('noisy input, not clipped, dB', 'whole_psnr_input', 2),
      value('parameters', 'parameters', 0),
    ],
  ),
  'degradations': Table(
    ('rednet_photos_degradations',),
    [
      config(),
      value('input, dB', 'whole_psnr_baseline', 2),
      value('output, dB', 'whole_psnr', 2),
      value('median filter, dB', 'whole_psnr_median', 2),
    ],
  ),
  'inpainting': Table(
    ('inpaint_digits', 'inpaint_digits_variants'),
    [
      config(),
      value('error in the hole', 'l1_hole', 3),
      value('PSNR, dB', 'whole_psnr', 1),
      value('SSIM', 'whole_ssim', 3),
      value('biharmonic fill: error', 'whole_l1_hole_biharmonic', 3),
      value('PSNR, dB', 'whole_psnr_biharmonic', 1),
      value('mean of the surroundings: error', 'l1_hole_baseline', 3),
      value('PSNR, dB', 'whole_psnr_baseline', 1),
    ],
  ),
  'completion': Table(
    ('dcgan_digits-completion', 'cdcgan_mnist'),
    [
      config(),
      value('fill: error', 'completion_l1_hole', 3),
      value('PSNR, dB', 'completion_psnr_hole', 1),
      value('blended: error', 'completion_l1_hole_blended', 3),
      value('PSNR, dB', 'completion_psnr_hole_blended', 1),
      value('biharmonic fill: error', 'completion_l1_hole_biharmonic', 3),
      value('PSNR, dB', 'completion_psnr_hole_biharmonic', 1),
      value('mean of the rest: error', 'completion_l1_hole_mean', 3),
      value('PSNR, dB', 'completion_psnr_hole_mean', 1),
    ],
  ),
  'checkerboard': Table(
    ('checkerboard', 'checkerboard_trained'),
    [
      field('upsample', 'name'),
      value('stride', 'stride', 0),
      value('dB', 'checkerboard_db', 1),
      value('dB above real', 'checkerboard_excess_db', 1),
      value('rms in [-1, 1]', 'checkerboard_rms', 4),
      value('phase contrast', 'phase_contrast', 3),
    ],
  ),
  # Speed.
  'layers': Table(
    newest('benchmark_ops-2*'),
    [
      field('case', 'name'),
      *(Column(f'ours {part}', _rate('ours', part)) for part in ('forward', 'dx', 'dw', 'all')),
      value('share', 'share', 2),
      Column('lax all', _rate('lax', 'all')),
      Column('torch all', _rate('torch', 'all')),
      value('/ lax', 'ratio.lax', 2),
      value('/ torch', 'ratio.torch', 2),
    ],
    footer=_geometric_means,
  ),
  'native_layers': Table(
    ('native_layers',),
    [
      field('case', 'name'),
      *(Column(f'ours {part}', _rate('ours', part)) for part in ('forward', 'dx', 'dw', 'all')),
      value('share', 'share', 2),
      Column('torch all', _rate('torch', 'all')),
      value('/ torch', 'ratio.torch', 2),
    ],
    footer=_geometric_means,
  ),
  'layers_avx512': Table(
    newest('benchmark_ops-avx512-*'),
    [
      field('case', 'name'),
      *(Column(f'ours {part}', _rate('ours', part)) for part in ('forward', 'dx', 'dw', 'all')),
      value('share', 'share', 2),
      Column('torch all', _rate('torch', 'all')),
      value('/ torch', 'ratio.torch', 2),
      value('ours all, returned, ms', 'returned.seconds.ours.all', 1, 1000),
      value('/ torch, returned', 'returned.ratio.torch', 2),
    ],
    footer=_geometric_means,
  ),
  'steps': Table(
    ('benchmark_train-dcgan64', 'benchmark_train-vae_mlp'),
    [
      field('step', 'name'),
      value('images per second', 'images_per_second', 1),
      value('seconds per step', 'seconds', 3),
      value('ours over this', 'ours_over_this', 2),
    ],
  ),
  'step_barriers': Table(
    ('step_barriers',),
    [
      field('what is written to memory', 'name'),
      field('step', 'group'),
      value('seconds per step', 'seconds', 3),
      value('times as fast as without', 'ratio.without', 2),
    ],
  ),
  'first_step': Table(
    ('first_step',), [field('first step of dcgan_digits', 'name'), value('seconds', 'first_step_seconds', 1)]
  ),
  'first_step_avx512': Table(
    ('first_step-avx512',), [field('first step', 'name'), value('seconds', 'first_step_seconds', 1)]
  ),
  'first_step_native': Table(
    ('first_step-native',), [field('first step', 'name'), value('seconds', 'first_step_seconds', 1)]
  ),
  'sampling_costs': Table(
    ('conv_vae_mnist-importance_sampling',), [field('what', 'name'), Column('from command to end', _minutes)]
  ),
  'costs': Table(
    (
      'dcgan_digits',
      'dcgan_digits-minimax',
      'dcgan_mnist',
      'gan_mnist',
      'vae_digits',
      'vae_mnist-grey',
      'iwae_mnist',
      'conv_vae_mnist',
      'beta_vae_shapes-mlp',
      'dcign_scenes',
      'unet_scenes',
      'unet_scenes-long',
      'superres_photos',
      'rednet_denoise_photos',
      'inpaint_digits',
    ),
    [
      config(),
      _STEP,
      Column('from command to end', _minutes),
      value('processor seconds', 'processor_seconds', 0),
      value('images per second', 'images_per_second', 0),
      Column('machine', lambda entry: device(entry.result['device'])),
    ],
    keep=lambda entry: any(
      name in entry.row['values'] for name in ('finished_seconds', 'processor_seconds', 'images_per_second')
    ),
    caption=False,
  ),
  'sweep_costs': Table(
    ('sweep_costs',),
    [
      field('sweep', 'name'),
      value('minutes per seed, fastest', 'fastest', 0, 1 / 60),
      value('slowest', 'slowest', 0, 1 / 60),
    ],
  ),
  'tpu_bytes': Table(('tpu_bytes',), [field('program', 'name'), value('bytes / bytes of lax', 'ratio.bytes', 2)]),
  'compiled_layers': Table(
    ('compiled_layers',),
    [
      field('layer (float32, H100)', 'name'),
      field('map', 'group'),
      *(
        value(f'{shown}: {what}', f'{kind}.{form}', digits)
        for form, shown in (('lax', '`lax`'), ('ours', 'ours'))
        for kind, what, digits in (
          ('ratio', 'products over the count by hand', 2),
          ('temporary_mib', 'temporary MiB', 1),
        )
      ),
    ],
  ),
  'compiled_programs': Table(
    ('compiled_programs',),
    [
      config(),
      field('target', 'group'),
      value('batch', 'batch_size', 0),
      value('GFLOP per step', 'gflop', 1),
      value('over the count by hand', 'ratio', 3),
      value('MiB per device', 'memory_mib', 0),
      value('collectives', 'collectives', 0),
      value('MiB in them', 'collectives_mib', 1),
    ],
  ),
  'stride1': Table(
    ('stride1',),
    [
      field('convolution', 'name'),
      *(
        Column(
          f'{shown}: forward / dx / dw, ms',
          lambda entry, when=when: ' / '.join(
            entry.show(f'seconds.{when}.{part}', 1, 1000) for part in ('forward', 'dx', 'dw')
          ),
        )
        for when, shown in (('before', 'matrix products'), ('now', "XLA's convolution"))
      ),
      value('compile before, s', 'compile.before', 1),
      value('compile now, s', 'compile.now', 1),
    ],
  ),
  'expand': Table(('lowering_candidates',), _candidates('lax', 'polyphase', 'overlap', 'wide'), keep=_of('expand')),
  'reduce': Table(('lowering_candidates',), _candidates('lax', 'unfolded', 'columns'), keep=_of('reduce')),
  'correlate': Table(('lowering_candidates',), _candidates('lax', 'unfolded', 'columns'), keep=_of('correlate')),
  'shapes': Table(('xla_convolution_shapes',), [field('program', 'name'), value('ms', 'seconds', 0, 1000)]),
  'memory': Table(
    ('freed_memory',),
    [
      field('program', 'name'),
      value('memory returned, ms', 'seconds.returned', 0, 1000),
      value('memory kept, ms', 'seconds.kept', 0, 1000),
    ],
  ),
  'winograd': Table(
    ('winograd',),
    [
      field('layer', 'name'),
      value('Winograd, ms', 'seconds.winograd', 1, 1000),
      value('ours, ms', 'seconds.ours', 1, 1000),
    ],
  ),
  'reports': _reports(('reports',), 'ours', 'ratio.lax'),
  'drop_in': _reports(('reports-avx512', 'reports-avx512_bfloat16'), 'drop-in', 'ratio_drop_in.lax'),
  'reports_single_channel': Table(
    ('reports-single_channel',), [field('report', 'name'), field('part', 'group'), value('ms', 'seconds.ours', 0, 1000)]
  ),
  'torture': Table(
    ('torture',),
    [
      field('the run was at', 'name'),
      field('last step', 'group'),
      *(value(name, name, 0) for name in ('SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP')),
      value('all', 'kills', 0),
    ],
  ),
  'pooling': Table(
    ('pooling',),
    [
      field('operator', 'name'),
      value('ours, ms', 'seconds.ours', 0, 1000),
      value('other, ms', 'seconds.other', 0, 1000),
    ],
  ),
  'inception': Table(
    ('inception',),
    [
      field('network', 'name'),
      value('s for 10,000 images', 'seconds_10000', 0),
      value('s to compile', 'compile_seconds', 0),
      value('GFLOP an image, by hand', 'gflop_by_hand', 3),
      value('GFLOP an image, compiled', 'gflop_compiled', 3),
    ],
  ),
  'sorting': Table(('sorting',), [field('errors of', 'name'), value('times as fast', 'ratio.pairs', 1)]),
  'data': Table(
    ('benchmark_data',),
    [
      field('way', 'name'),
      value('images per second', 'images_per_second', 0),
      value('slowest round', 'slowest', 0),
      value('fastest round', 'fastest', 0),
    ],
  ),
  'data_costs': Table(
    ('data_costs', 'open_celeba_archive'), [field('what', 'name'), value('ms', 'processor_seconds', 1, 1000)]
  ),
}


def pages():
  """Returns the pages that may hold tables."""
  return [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def fill(text, where):
  """Returns the text of a page with its tables rendered.

  Args:
    text: of the page.
    where: its name, for the sentence that says what is wrong.

  Raises:
    UserError: there is no such table or file, or a marker is not closed.
  """
  if len(_OPENED.findall(text)) != len(_MARKED.findall(text)):
    raise UserError(f'{where}: a table has no line `<!-- end of table -->`, or its first line is not as --help says')

  def rendered(match):
    opened, name, file, _, closed = match.groups()
    if name not in TABLES:
      near = nearest(name, TABLES)
      raise UserError(f"{where}: there is no table '{name}'" + (f"; did you mean '{near}'?" if near else ''))
    return f'{opened}\n{TABLES[name].render([file] if file else None)}\n\n{closed}'

  return _MARKED.sub(rendered, text)


def main(argv=None):
  """Runs the command; returns its exit status."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--check', action='store_true', help='write nothing; status 1 where a page differs')
  options = parser.parse_args(argv)
  status = 0
  for page in pages():
    text = page.read_text(encoding='utf-8')
    filled = fill(text, page.relative_to(ROOT))
    if filled != text and options.check:
      print(f'{page.relative_to(ROOT)} differs from results/: run `python -m scripts.results_table`')
      status = 1
    elif filled != text:
      atomic_files.write(page, filled.encode())
      print(f'written: {page.relative_to(ROOT)}')
  return status


if __name__ == '__main__':
  with command.one_sentence():
    sys.exit(main())
