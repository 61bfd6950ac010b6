"""The field that a misspelt name, or a name from another project, means."""

from collections.abc import Callable, Collection, Iterable

from deconv.errors import nearest

# What other projects call a field: the fields here that may be meant, without their section where that is clear.
_OTHER_NAMES = {
  'image_size': ('img_size', 'imsize', 'resolution', 'input_size', 'image_height'),
  'channels': ('nc', 'num_channels', 'n_channels', 'in_channels', 'image_channels', 'img_channels'),
  'data.path': ('data_root', 'data_dir', 'data_folder', 'dataset_path', 'root', 'dir'),
  'data.source': ('dataset', 'data', 'dataset_name'),
  'data.class_names': ('classes', 'num_classes', 'n_classes'),
  'workers': ('num_workers', 'n_workers', 'threads'),
  'flip': ('hflip', 'horizontal_flip', 'mirror'),
  'latent_size': ('nz', 'z_dim', 'dim_z', 'latent_dim', 'latent', 'z_size', 'code_size'),
  'width': ('ngf', 'ndf', 'nf', 'gf_dim', 'base_channels', 'num_filters', 'filters', 'features'),
  'model.name': ('arch', 'architecture', 'network', 'backbone'),
  'objective.name': ('loss', 'loss_type', 'gan_mode', 'criterion'),
  'batch_size': ('batch', 'minibatch_size', 'mb_size'),
  'steps': (
    'num_steps',
    'n_steps',
    'max_steps',
    'total_steps',
    'train_steps',
    'niter',
    'iters',
    'iterations',
    'max_iter',
  ),
  'epochs': ('num_epochs', 'n_epochs', 'max_epochs', 'epoch'),
  'learning_rate': ('alpha', 'step_size', 'base_lr', 'lr_g', 'lr_d', 'g_lr', 'd_lr'),
  'optimizer.name': ('optim', 'opt', 'solver'),
  'beta1': ('b1', 'adam_beta1'),
  'beta2': ('b2', 'adam_beta2'),
  'weight_decay': ('decay',),
  'clip_norm': ('grad_clip', 'clip_grad', 'clip_grad_norm', 'max_grad_norm', 'gradient_clip'),
  'schedule': ('scheduler', 'lr_scheduler', 'lr_schedule'),
  'warmup_steps': ('warmup', 'num_warmup_steps'),
  'dtype': ('precision', 'amp', 'fp16', 'bf16', 'mixed_precision'),
  'ema_decay': ('ema', 'ema_rate', 'ema_beta'),
  'seed': ('manual_seed', 'random_seed', 'rng_seed'),
  'log.every': ('log_interval', 'log_freq', 'print_freq', 'print_every', 'log_every'),
  'checkpoint.every': ('save_every', 'save_interval', 'save_freq', 'ckpt_every', 'checkpoint_every'),
  'eval.every': ('eval_interval', 'eval_freq', 'val_every', 'eval_every'),
  'samples.every': ('sample_interval', 'sample_every', 'sample_freq'),
}
_MEANT = {other.replace('_', ''): ours for ours, names in _OTHER_NAMES.items() for other in names}


def nearest_field(name: str, fields: Iterable[str]) -> str | None:
  """Returns the field that a name most likely means, or None.

  Args:
    name: what the user wrote, with a section or without: 'optimizer.lr', 'batchsize'.
    fields: iterable of 'section.field'.
  """
  fields = list(fields)
  last = {field.rsplit('.', 1)[-1]: field for field in fields}
  return known_field(name, fields) or nearest(name, fields) or last.get(nearest(_split(name)[1], last, 0.7) or '')


def known_field(name: str, fields: Collection[str]) -> str | None:
  """Returns the field that a name surely means, or None: the same letters, a name that other projects have for it, its
  initials or its beginning. Arguments as for `nearest_field`."""
  section, wanted = _split(name)
  wanted = _letters(wanted)
  meant = _MEANT.get(wanted, '')
  ways: tuple[Callable[[str, str], bool], ...] = (
    lambda field, last: _letters(last) == wanted,
    lambda field, last: meant in (field, last),
    lambda field, last: len(wanted) > 1 and ''.join(word[0] for word in last.split('_')) == wanted,
    lambda field, last: len(wanted) > 3 and _letters(last).startswith(wanted),
  )
  for fits in ways:
    found = [field for field in fields if fits(field, _split(field)[1])]
    if found:
      return next((field for field in found if _split(field)[0] == section), found[-1])
  return None


def _split(name: str) -> tuple[str, str]:
  section, _, last = name.rpartition('.')
  return section, last


def _letters(name: str) -> str:
  return name.lower().replace('_', '').replace('-', '')
