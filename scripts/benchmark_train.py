"""A whole training step timed: our layers, Flax's layers, and PyTorch where it is installed.

  python -m scripts.benchmark_train [--repeats=5] [--json] [--save=results/NAME.json]

DCGAN-64, the network in the PyTorch examples: 4x4 kernels, stride 2, width 64, z of 100 normals -> 512 at 4x4 -> 256
-> 128 -> 64 -> 3 at 64x64 with batch normalisation, and its mirror with LeakyReLU 0.2 as the discriminator, about 2.3
GFLOP an image and step. A step, in all three alike: a forward pass of the generator; the discriminator's update on a
real and on a generated batch, normalised each by itself; the generator's update through the new discriminator. Adam,
float32, batch 64. The implementations take turns in each of `repeats` rounds; images a second are medians over the
rounds, ratios medians of the ratios within a round.

vae_mlp, the VAE in the PyTorch examples: 784-400-20, ReLU, grey targets, Adam 1e-3, on a fixed batch of 128. A step
takes milliseconds, less than the threads of either library go on looking for work after it, so each takes its turn for
many steps at a time: `--cases=vae_mlp --batch_size=128 --steps=100 --repeats=15`.

`--json` prints an object a line: `name` ('dcgan64 ours', 'dcgan64 flax', 'dcgan64 torch'), `images_per_second`,
`seconds` (one step), and for the others `ours_over_this`. CASES holds a builder for each name.
"""

import argparse
import functools
import itertools
import json
import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # JAX_PLATFORMS=cuda or tpu to time another device

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from deconv import host_memory, layers
from deconv.configs import base
from deconv.options import Experiment
from deconv.tasks import TASKS
from scripts import benchmark_ops, result_files
from scripts.command_line import at_least, result_file, words

WIDTH, LATENT, SIDE = 64, 100, 64


class Generator(nn.Module):
  """z -> image, its transposed convolutions those of `up`."""

  up: type[nn.Module]  # (features, kernel_size, strides, padding 'SAME')

  @nn.compact
  def __call__(self, z):  # (batch, 100) -> (batch, 64, 64, 3)
    up = functools.partial(self.up, use_bias=False, kernel_init=nn.initializers.normal(0.02))
    norm = functools.partial(nn.BatchNorm, use_running_average=False, momentum=0.9)
    x = up(8 * WIDTH, kernel_size=(4, 4), strides=(1, 1), padding='VALID')(z[:, None, None])
    x = nn.relu(norm()(x))
    for features in (4 * WIDTH, 2 * WIDTH, WIDTH):  # 8, 16, 32 pixels
      x = nn.relu(norm()(up(features, kernel_size=(4, 4), strides=(2, 2), padding='SAME')(x)))
    return jnp.tanh(up(3, kernel_size=(4, 4), strides=(2, 2), padding='SAME')(x))


class Discriminator(nn.Module):
  """image -> logit, its convolutions those of `down`."""

  down: type[nn.Module]

  @nn.compact
  def __call__(self, x):  # (batch, 64, 64, 3) -> (batch,)
    down = functools.partial(self.down, kernel_size=(4, 4), use_bias=False, kernel_init=nn.initializers.normal(0.02))
    norm = functools.partial(nn.BatchNorm, use_running_average=False, momentum=0.9)
    x = nn.leaky_relu(down(WIDTH, strides=(2, 2), padding='SAME')(x), 0.2)
    for features in (2 * WIDTH, 4 * WIDTH, 8 * WIDTH):  # 16, 8, 4 pixels
      x = nn.leaky_relu(norm()(down(features, strides=(2, 2), padding='SAME')(x)), 0.2)
    return down(1, strides=(1, 1), padding='VALID')(x)[:, 0, 0, 0]


def jax_dcgan64(up, down, batch):
  """One step on a fixed batch, a callable without arguments."""
  gen, disc = Generator(up), Discriminator(down)
  tx = optax.adam(2e-4, b1=0.5)
  loss = lambda logits, label: optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, label)).mean()
  images = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (batch, SIDE, SIDE, 3)), jnp.float32)

  @jax.jit
  def init(key):
    state = {}
    for name, model, x in (('gen', gen, jnp.zeros((batch, LATENT))), ('disc', disc, images)):
      variables = model.init(key, x)
      state[name] = dict(params=variables['params'], stats=variables['batch_stats'], opt=tx.init(variables['params']))
    return state

  def apply(model, params, stats, x):
    out, new = model.apply({'params': params, 'batch_stats': stats}, x, mutable='batch_stats')
    return out, new['batch_stats']

  def update(net, grads, stats):
    updates, opt = tx.update(grads, net['opt'], net['params'])
    return dict(params=optax.apply_updates(net['params'], updates), stats=stats, opt=opt)

  @functools.partial(jax.jit, donate_argnums=0)
  def step(state, images, key):
    z = jax.random.normal(key, (batch, LATENT))
    generate = lambda params: apply(gen, params, state['gen']['stats'], z)
    fake, gen_vjp, gen_stats = jax.vjp(generate, state['gen']['params'], has_aux=True)

    def disc_loss(params):
      real_logits, stats = apply(disc, params, state['disc']['stats'], images)
      fake_logits, stats = apply(disc, params, stats, fake)
      return loss(real_logits, 1.0) + loss(fake_logits, 0.0), stats

    (loss_disc, stats), grads = jax.value_and_grad(disc_loss, has_aux=True)(state['disc']['params'])
    new_disc = update(state['disc'], grads, stats)

    def gen_loss(fake):
      logits, stats = apply(disc, new_disc['params'], new_disc['stats'], fake)
      return loss(logits, 1.0), stats

    (loss_gen, stats), d_fake = jax.value_and_grad(gen_loss, has_aux=True)(fake)
    new_gen = update(state['gen'], gen_vjp(d_fake)[0], gen_stats)
    return {'gen': new_gen, 'disc': {**new_disc, 'stats': stats}}, (loss_disc, loss_gen)

  state = [init(jax.random.key(0))]

  def run():
    state[0], losses = step(state[0], images, jax.random.key(1))
    jax.block_until_ready((state[0], losses))
    assert np.isfinite(losses).all()

  return run


def torch_dcgan64(batch):
  """The same step in PyTorch."""
  import torch
  from torch import nn as tnn

  torch.set_num_threads(os.cpu_count())
  block = lambda conv, norm, act: [conv, *norm, act]
  up = lambda i, o, stride=2, pad=1: tnn.ConvTranspose2d(i, o, 4, stride, pad, bias=False)
  down = lambda i, o, stride=2, pad=1: tnn.Conv2d(i, o, 4, stride, pad, bias=False)
  sizes = [8 * WIDTH, 4 * WIDTH, 2 * WIDTH, WIDTH]
  gen = block(up(LATENT, sizes[0], 1, 0), [tnn.BatchNorm2d(sizes[0])], tnn.ReLU())
  for i, o in itertools.pairwise(sizes):
    gen += block(up(i, o), [tnn.BatchNorm2d(o)], tnn.ReLU())
  gen = tnn.Sequential(*gen, up(WIDTH, 3), tnn.Tanh())
  disc = block(down(3, WIDTH), [], tnn.LeakyReLU(0.2))
  for o, i in zip(sizes[-2::-1], sizes[::-1]):
    disc += block(down(i, o), [tnn.BatchNorm2d(o)], tnn.LeakyReLU(0.2))
  disc = tnn.Sequential(*disc, down(sizes[0], 1, 1, 0), tnn.Flatten(0))
  opts = [torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (gen, disc)]
  loss = tnn.BCEWithLogitsLoss()
  images = torch.rand(batch, 3, SIDE, SIDE) * 2 - 1
  ones, zeros = torch.ones(batch), torch.zeros(batch)

  def run():
    fake = gen(torch.randn(batch, LATENT, 1, 1))
    disc.zero_grad()
    loss(disc(images), ones).backward()
    loss(disc(fake.detach()), zeros).backward()
    opts[1].step()
    gen.zero_grad()
    for p in disc.parameters():  # the generator's update needs no weight gradient of the discriminator
      p.requires_grad_(False)
    loss_gen = loss(disc(fake), ones)
    loss_gen.backward()
    for p in disc.parameters():
      p.requires_grad_(True)
    opts[0].step()
    assert np.isfinite(loss_gen.item())

  return run


def vae_images(batch):
  """Grey levels (batch, 28, 28, 1), four in five of them black."""
  rng = np.random.default_rng(0)
  return (rng.integers(0, 256, (batch, 28, 28, 1)) * (rng.uniform(size=(batch, 28, 28, 1)) < 0.2)).astype(np.uint8)


def ours_vae_mlp(batch):
  """One step of our VAE task on a fixed batch, a callable without arguments."""
  config = base.get_config(model='vae_mlp', task='vae')
  config.data.image_size = 28
  config.model.hidden = 400
  config.objective.binarization = 'grey'
  task = TASKS['vae'](Experiment.from_config(config), lambda scale: optax.adam(1e-3 * scale), None)
  images = {'image': jnp.asarray(vae_images(batch))}
  state, step = [task.init(jax.random.key(0), images)], jax.jit(task.train_step, donate_argnums=0)

  def run():
    state[0], scalars = step(state[0], images, jax.random.key(1))
    jax.block_until_ready(state[0])
    assert np.isfinite(scalars['loss'])

  return run


def torch_vae_mlp(batch):
  """The same step as the PyTorch examples have it."""
  import torch
  from torch import nn as tnn

  torch.set_num_threads(os.cpu_count())
  hidden, mean, log_variance = tnn.Linear(784, 400), tnn.Linear(400, 20), tnn.Linear(400, 20)
  decoder = tnn.Sequential(tnn.Linear(20, 400), tnn.ReLU(), tnn.Linear(400, 784), tnn.Sigmoid())
  opt = torch.optim.Adam([p for m in (hidden, mean, log_variance, decoder) for p in m.parameters()], 1e-3)
  images = torch.from_numpy(vae_images(batch)).reshape(batch, 784)

  def run():
    x = images.float() / 255
    h = torch.relu(hidden(x))
    mu, logvar = mean(h), log_variance(h)
    z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
    bce = tnn.functional.binary_cross_entropy(decoder(z), x, reduction='sum')
    loss = bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    opt.zero_grad()
    loss.backward()
    opt.step()
    assert np.isfinite(loss.item())

  return run


# case -> implementation -> builder(batch) of a callable that runs one step
CASES = {
  'dcgan64': {
    'ours': lambda batch: jax_dcgan64(layers.ConvTranspose, layers.Conv, batch),
    'flax': lambda batch: jax_dcgan64(nn.ConvTranspose, nn.Conv, batch),
    'torch': torch_dcgan64,
  },
  'vae_mlp': {'ours': ours_vae_mlp, 'torch': torch_vae_mlp},
}


def repeated(run, steps):
  """Returns a callable that calls `run` `steps` times."""

  def turn():
    for _ in range(steps):
      run()

  return turn


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--cases', type=words, default=list(CASES), help=f'of {", ".join(CASES)}')
  parser.add_argument('--repeats', type=at_least(1), default=5, help='rounds')
  parser.add_argument('--steps', type=at_least(1), default=1, help='that an implementation runs when its turn comes')
  parser.add_argument('--batch_size', type=at_least(2), default=64, help='images per step')
  parser.add_argument('--json', action='store_true', help='an object a line instead of a table')
  parser.add_argument('--keep_memory', action=argparse.BooleanOptionalAction, default=True, help='that was freed')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  unknown = set(options.cases) - set(CASES)
  if unknown:
    parser.error(f'There is no case {sorted(unknown)[0]!r}; the cases are: {", ".join(CASES)}')
  kept = options.keep_memory and host_memory.keep_freed_memory()
  with_torch = benchmark_ops.installed('torch')
  if not options.json:
    if not with_torch:
      print('torch is not installed (pip install torch): its rows are left out.')
    names = benchmark_ops.versions(['torch'] if with_torch else [])
    print(
      f'{benchmark_ops.hardware()}; {names}; float32, batch {options.batch_size}; freed memory '
      f'{"kept" if kept else "returned"}; medians of {options.repeats} interleaved rounds of {options.steps} '
      'steps.\n'
    )
    print('| step | images a second | seconds a step | ours over this |\n|---|---|---|---|')
  saved = []
  for case in options.cases:
    runs = {
      (name, 'all'): repeated(build(options.batch_size), options.steps)
      for name, build in CASES[case].items()
      if with_torch or name != 'torch'
    }
    for run in runs.values():
      run()  # compiles
    times = benchmark_ops.measure(runs, options.repeats, slowest=float('inf'))
    for name, part in runs:
      seconds = float(np.median(times[name, part])) / options.steps
      row = {
        'name': f'{case} {name}',
        'images_per_second': options.batch_size / seconds,
        'seconds': seconds,
        'ours_over_this': benchmark_ops.ratio(times, 'ours', name, part),
      }
      saved.append(result_files.row(row['name'], {key: row[key] for key in row if key != 'name'}))
      if options.json:
        print(json.dumps(row), flush=True)
      else:
        print(
          f'| {row["name"]} | {row["images_per_second"]:.1f} | {seconds:.4f} | {row["ours_over_this"]:.2f} |',
          flush=True,
        )
  result_files.save_benchmark(
    options.save,
    'scripts.benchmark_train',
    benchmark_ops.protocol(kept, options.repeats, batch_size=options.batch_size, steps_per_turn=options.steps),
    saved,
    benchmark_ops.libraries(['torch'] if with_torch else []),
  )


if __name__ == '__main__':
  main()
