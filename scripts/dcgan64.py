"""DCGAN-64, the network in the PyTorch examples, and its training step, with the layers of either JAX library.

4x4 kernels, stride 2, width 64, z of 100 normals -> 512 at 4x4 -> 256 -> 128 -> 64 -> 3 at 64x64 with batch
normalisation, and its mirror with LeakyReLU 0.2 as the discriminator, about 2.3 GFLOP an image and step. A step: a
forward pass of the generator; the discriminator's update on a real and on a generated batch, normalised each by itself;
the generator's update through the new discriminator. Adam, float32.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

WIDTH, LATENT, SIDE = 64, 100, 64


def images(batch):
  """Returns noise float32 (batch, 64, 64, 3) in [-1, 1]."""
  return np.random.default_rng(0).uniform(-1, 1, (batch, SIDE, SIDE, 3)).astype(np.float32)


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


def make(up, down, batch):
  """Returns (state, step), the latter compiled at its first call: (state, images, key) -> (state, both losses).

  Args:
    up, down: classes of layers, see Generator and Discriminator.
    batch: images per step.
  """
  gen, disc = Generator(up), Discriminator(down)
  tx = optax.adam(2e-4, b1=0.5)
  loss = lambda logits, label: optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, label)).mean()

  @jax.jit
  def init(key):
    state = {}
    for name, model, shape in (('gen', gen, (batch, LATENT)), ('disc', disc, (batch, SIDE, SIDE, 3))):
      variables = model.init(key, jnp.zeros(shape))
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

  return init(jax.random.key(0)), step
