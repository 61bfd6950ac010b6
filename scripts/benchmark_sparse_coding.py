"""How fast the sparse maps of images are found: ours, and sporco's where it is installed, to one objective.

  python -m scripts.benchmark_sparse_coding [--path=FOLDER] [--filters=100] [--window=11] [--data_weight=1]
    [--images=10] [--iterations=300] [--rounds=5] [--save=results/NAME.json]

FOLDER has images of 100x100 pixels, such as `fruit_100_100` of the Deconvolutional Networks toolbox; without it they
are photographs of scikit-learn and scikit-image. They are grey, with locally normalised contrast. The filters begin as
white noise and are improved by `--learned` steps of the task sparse_coding, so that they are no noise any more.

All solve one problem: data_weight / 2 |reconstruction - image|^2 + |z|, the maps from zero, float32, p = 1. sporco
convolves on a periodic grid. So the image lies on the grid of our maps, which is larger by the side of a filter less
one, with a mask that leaves its border out: there nothing goes round, and the objectives are equal. sporco's weight of
the penalty is 1 / data_weight. It has two solvers by ADMM (ConvBPDN with its additive mask, and ConvBPDNMaskDcpl) and
one by FISTA (pgm.ConvBPDNMask).

Each solver is given its best mode: every setting of SOLVERS is tried on `--pilot` images, and the one that reaches the
hundredth first in seconds is kept; then all images at once or one after the other, and sporco's transforms on one core
or on all, whichever is fastest. sporco computes no statistics (FastSolve), and its FISTA gets the exact Lipschitz
constant.

Objectives are sums over the images, computed by one function for all after each iteration. `best` is the lowest of all,
and of four times as many iterations of our FISTA. The seconds of n iterations are the start and n times an iteration,
both from calls of two lengths: medians of rounds in which the solvers take turns. Compilation and the planning of
transforms are not counted.

sporco: `pip install '.[sporco]'`.
"""

import argparse
import functools
import itertools
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data
from deconv.data import DataOptions, open_source
from deconv.data.transforms.contrast import normalize_contrast
from deconv.errors import UserError
from deconv.experiments import command
from deconv.models import sparse_inference
from deconv.models.deconvolutional_network import filter_step, normalize_planes
from deconv.objectives.sparse_coding import penalty
from deconv.ops import keep_freed_memory
from scripts import benchmark_ops, result_files
from scripts.command_line import at_least, result_file

# How close to the best objective, and what that is called in a result.
CLOSE = {'tenth': 1e-1, 'hundredth': 1e-2, 'thousandth': 1e-3}
_LONGER = 4  # times the iterations, for the best objective
_TURN = 10  # iterations by which the two calls of a turn differ


class Problem:
  """Images and filters, and the objective of maps.

  Attributes:
    images: float32 (batch, h, w, 1).
    filters: float32 (f, f, k, 1).
    data_weight: float.
  """

  def __init__(self, images, filters, data_weight):
    """Keeps the arguments."""
    self.images, self.filters, self.data_weight = np.asarray(images), np.asarray(filters), data_weight

  def part(self, chosen):
    """Returns the Problem of some of the images, a slice."""
    return Problem(self.images[chosen], self.filters, self.data_weight)

  @property
  def size(self):
    """Height and width of the maps."""
    return sparse_inference.map_shape(self.images.shape[1:], self.filters.shape)[:2]

  def start(self):
    """Returns maps of zeros."""
    return jnp.zeros((len(self.images), *self.size, self.filters.shape[2]), jnp.float32)

  def objective(self, maps):
    """Returns the sum of the objectives of all images, of maps (batch, h + f - 1, w + f - 1, k)."""
    return float(_objective(self.images, self.filters, self.data_weight, jnp.asarray(maps, jnp.float32)))


def _quadratic(images, filters, data_weight):
  return sparse_inference.Quadratic(filters, images, jnp.ones((1, 1, 1, 1)), data_weight)


@jax.jit
def _objective(images, filters, data_weight, maps):
  return jnp.sum(_quadratic(images, filters, data_weight).value(maps) + penalty(maps, 1.0))


@functools.cache
def _compiled(name, data_weight, rho):
  """(the maps, and (maps, objective after each iteration)) of (images, filters, start, iterations), compiled."""

  def solve(images, filters, start, iterations, watched=False):
    quadratic = _quadratic(images, filters, data_weight)
    watch = (lambda maps: jnp.sum(quadratic.value(maps) + penalty(maps, 1.0))) if watched else None
    if name == 'fista':
      return sparse_inference.fista(quadratic, start, 1.0, iterations, watch=watch)
    return sparse_inference.admm(quadratic, start, 1.0, iterations, rho, watch=watch)

  return jax.jit(solve), jax.jit(functools.partial(solve, watched=True), static_argnums=3)


class Ours:
  """A solver of ours, all images in one program.

  Args:
    problem: Problem.
    name: fista | admm.
    rho: of admm.
  """

  WAYS = ({},)  # the program has all cores

  def __init__(self, problem, name, rho=None):
    self._arguments = problem.images, problem.filters, problem.start()
    self._solve, self._watched = _compiled(name, problem.data_weight, rho)

  def maps(self, iterations):
    """Returns the maps after so many iterations, when they are there."""
    return self._solve(*self._arguments, iterations).block_until_ready()

  def objectives(self, iterations):
    """Returns the objective after each iteration, float64 (iterations,)."""
    return np.asarray(self._watched(*self._arguments, iterations)[1], np.float64)


class Sporco:
  """A solver of sporco.

  Args:
    problem: Problem.
    name: additive_mask | mask_decoupling | fista.
    threads: of its transforms.
    setting: options of sporco's class, which are documented there.
  """

  WAYS = ({'threads': 1}, {'threads': os.cpu_count()})

  def __init__(self, problem, name, threads=1, **setting):
    self._problem, self._name, self._threads, self._setting = problem, name, threads, setting
    number, grown = len(problem.images), problem.filters.shape[0] - 1
    # The image at the end of the grid: what our reconstruction cuts away is what goes round in sporco's.
    on_grid = np.zeros((*problem.size, number), np.float32)
    on_grid[grown:, grown:] = np.moveaxis(problem.images[..., 0], 0, 2)
    # A row of the mask for each image: sporco's additive mask looks its zeros up by number and does not broadcast.
    mask = np.zeros((*problem.size, 1, number, 1), np.float32)
    mask[grown:, grown:] = 1
    self._arguments = np.ascontiguousarray(problem.filters[..., 0]), on_grid, 1 / problem.data_weight, mask
    if name == 'fista':
      largest = jnp.max(sparse_inference.gram_norms(jnp.asarray(problem.filters), problem.size))
      self._setting = {'L': float(largest), **setting}

  def _solver(self, iterations, **setting):
    from sporco.admm import cbpdn
    import sporco.fft
    from sporco.pgm import cbpdn as pgm

    sporco.fft.pyfftw_threads = self._threads  # it has no other way to be told
    filters, images, weight, mask = self._arguments
    wanted = {'Verbose': False, 'FastSolve': True, 'MaxMainIter': iterations, 'RelStopTol': 0.0}
    wanted |= {**self._setting, **setting}
    if self._name == 'additive_mask':
      options = cbpdn.ConvBPDN.Options(wanted)
      return cbpdn.AddMaskSim(cbpdn.ConvBPDN, filters, images, mask, weight, opt=options, dimK=1)
    if self._name == 'mask_decoupling':
      return cbpdn.ConvBPDNMaskDcpl(filters, images, weight, mask, opt=cbpdn.ConvBPDNMaskDcpl.Options(wanted), dimK=1)
    return pgm.ConvBPDNMask(filters, images, weight, mask, opt=pgm.ConvBPDNMask.Options(wanted), dimK=1)

  def _ordered(self, found):
    """Sporco's maps (h', w', 1, batch, k) in our order, (batch, h', w', k)."""
    return np.moveaxis(found[:, :, 0, :, : self._problem.filters.shape[2]], 2, 0)

  def maps(self, iterations):
    """Returns the maps after so many iterations."""
    return self._ordered(self._solver(iterations).solve())

  def objectives(self, iterations):
    """Returns the objective after each iteration, float64 (iterations,)."""
    seen = []

    def look(solver):  # the maps that `solve` would return
      found = solver.X if self._name == 'fista' else solver.Y
      if self._name == 'mask_decoupling':
        found = solver.block_sep1(found)
      seen.append(self._problem.objective(self._ordered(found)))

    self._solver(iterations, Callback=look).solve()
    return np.array(seen)


class OneByOne:
  """A solver that has its images one after the other, each with memory of its own size.

  Args:
    problem: Problem.
    make: function of a Problem, to a solver.
  """

  def __init__(self, problem, make):
    self._solvers = [make(problem.part(slice(i, i + 1))) for i in range(len(problem.images))]

  def maps(self, iterations):
    """Returns the maps after so many iterations."""
    return np.concatenate([solver.maps(iterations) for solver in self._solvers])

  def objectives(self, iterations):
    """Returns the objective of all images after each iteration, float64 (iterations,)."""
    return sum(solver.objectives(iterations) for solver in self._solvers)


def _auto(period):
  return {'AutoRho': {'Enabled': True, 'Period': period, 'AutoScaling': True}}


_RHO = [{'rho': rho, 'AutoRho': {'Enabled': False}} for rho in (1.0, 3.0, 10.0, 30.0)]
# {name in a table: (class, solver's name, settings of which the best is taken)}.
SOLVERS = {
  'FISTA, ours': (Ours, 'fista', [{}]),
  'ADMM, ours': (Ours, 'admm', [{'rho': rho} for rho in (1.0, 3.0, 10.0, 30.0)]),
  'FISTA, sporco': (Sporco, 'fista', [{}]),
  'ADMM with an additive mask, sporco': (Sporco, 'additive_mask', [_auto(1), _auto(10), *_RHO]),
  'ADMM with a mask decoupled, sporco': (Sporco, 'mask_decoupling', [_auto(1), _auto(10), *_RHO]),
}


def in_words(setting, one_by_one):
  """Returns the mode of a solver in words: of its setting, WAYS included."""
  auto = setting.get('AutoRho', {'Enabled': False})
  parts = [f'rho {setting["rho"]:g}'] if 'rho' in setting else []
  parts += [f'rho adapted every {auto["Period"]}'] if auto['Enabled'] else []
  parts += [f'transforms on {setting["threads"]} core{"s" * (setting["threads"] > 1)}'] if 'threads' in setting else []
  return ', '.join([*parts, 'one image after the other' if one_by_one else 'all images at once'])


def reached(objectives, goal):
  """Returns the number of iterations after which an objective is first at or below a goal; None where it never is."""
  below = np.flatnonzero(np.asarray(objectives) <= goal)
  return int(below[0]) + 1 if len(below) else None


def seconds_of(solver, turn=_TURN):
  """Returns (seconds of the start, seconds of an iteration), of a call with one iteration and one with `turn` more."""
  times = []
  for iterations in (1, 1 + turn):
    began = time.perf_counter()
    solver.maps(iterations)
    times.append(time.perf_counter() - began)
  step = max(times[1] - times[0], 0.0) / turn
  return max(times[0] - step, 0.0), step


def choose(problem, pilot, name, iterations, goal, say=lambda text: None):
  """Returns a solver in its best mode.

  Args:
    problem: Problem of all images.
    pilot: Problem of few of them, on which settings are tried.
    name: key of SOLVERS.
    iterations: of each trial.
    goal: objective of the pilot images. The setting that needs the fewest seconds to it is taken; where none reaches
      it, the one with the lowest objective.
    say: takes a line for each trial.

  Returns:
    (solver, its mode in words).
  """
  kind, solver, settings = SOLVERS[name]
  trials = []
  for setting in settings:
    tried = kind(pilot, solver, **setting)
    objectives = tried.objectives(iterations)
    objectives = np.where(np.isfinite(objectives), objectives, np.inf)
    needed = reached(objectives, goal)
    tried.maps(1)  # compiles, plans
    cost = (0, needed * seconds_of(tried, 3)[1]) if needed else (1, float(objectives.min()))
    trials.append((cost, setting))
    say(f'  {name}, {in_words(setting, False)}: {needed or "more than " + str(iterations)} iterations')
  setting = min(trials, key=lambda trial: trial[0])[1]
  ways = []
  for way, one_by_one in itertools.product(kind.WAYS, (False, True)):
    make = functools.partial(kind, name=solver, **setting, **way)
    found = OneByOne(problem, make) if one_by_one else make(problem)
    found.maps(1)
    ways.append((seconds_of(found, 3)[1], found, in_words({**setting, **way}, one_by_one)))
  return min(ways, key=lambda way: way[0])[1:]


def rows_of(solvers, modes, curves, times, best):
  """Returns the rows of a result.

  Args:
    solvers: names.
    modes: {name: text}.
    curves: {name: objective after each iteration}.
    times: {name: list of (seconds of the start, seconds of an iteration), of each round}.
    best: the lowest objective.
  """
  rows = []
  for name in solvers:
    begin, step = (statistics.median(found) for found in zip(*times[name]))
    values = {'seconds.start': begin, 'seconds.iteration': step, 'excess': float(curves[name][-1] / best - 1)}
    for close, share in CLOSE.items():
      if needed := reached(curves[name], best * (1 + share)):
        values[f'iterations.{close}'] = needed
        values[f'seconds.{close}'] = begin + needed * step
    shown = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n <= len(curves[name])]
    history = [{'step': n, 'objective': float(curves[name][n - 1]), 'seconds': begin + n * step} for n in shown]
    rows.append(result_files.row(name, values, group=modes[name], history=history))
  return rows


def load_images(path, number):
  """Returns float32 (number, 100, 100, 1), images with locally normalised contrast.

  Args:
    path: folder, or '' for photographs of scikit-learn and scikit-image.
    number: how many at most.
  """
  source = open_source(DataOptions(source='folder' if path else 'photos', path=path, image_size=100))
  images = source.take(np.arange(min(number, len(source))))['image']
  return np.asarray(normalize_contrast(data.to_signed(images), 'local').values)


def learn_filters(images, number, window, data_weight, steps, seed=0):
  """Returns float32 (window, window, number, 1): white noise, and then steps of learning with ten of FISTA each."""
  noise = jax.random.normal(jax.random.key(seed), (window, window, number, images.shape[-1]), jnp.float32)
  filters = normalize_planes(noise)

  @jax.jit
  def step(filters, maps, images):
    quadratic = _quadratic(images, filters, data_weight)
    maps = sparse_inference.fista(quadratic, maps, 1.0, 10)
    return filter_step(filters, maps, images, 2)[0], maps

  maps = Problem(images, filters, data_weight).start()
  for _ in range(steps):
    filters, maps = step(filters, maps, images)
  return np.asarray(filters)


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--path', default='', help='folder of images; without it photographs of two libraries')
  parser.add_argument('--images', type=at_least(1), default=10, help='how many of them at most')
  parser.add_argument('--filters', type=at_least(1), default=100, help='their number')
  parser.add_argument('--window', type=at_least(1), default=11, help='their side')
  parser.add_argument('--learned', type=at_least(0), default=10, help='steps by which they are learned first')
  parser.add_argument('--data_weight', type=float, default=1.0, help='lambda: of the error beside the penalty')
  parser.add_argument('--iterations', type=at_least(2), default=300, help='of each solver')
  parser.add_argument('--pilot', type=at_least(1), default=2, help='images on which settings are tried')
  parser.add_argument('--rounds', type=at_least(1), default=5, help='in which each solver is timed')
  parser.add_argument('--ours', action='store_true', help='leave sporco out')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  if not options.data_weight > 0:
    parser.error(f'--data_weight={options.data_weight} must be above 0')
  if not options.ours and not benchmark_ops.installed('sporco'):
    raise UserError("sporco is not installed: pip install '.[sporco]', or give --ours to measure without it")
  names = [name for name, (kind, *_) in SOLVERS.items() if kind is Ours or not options.ours]
  keep_freed_memory()  # of NumPy's arrays too
  say = functools.partial(print, flush=True)
  images = load_images(options.path, options.images)
  filters = learn_filters(images, options.filters, options.window, options.data_weight, options.learned)
  problem = Problem(images, filters, options.data_weight)
  pilot = problem.part(slice(0, options.pilot))
  goal = pilot.objective(Ours(pilot, 'fista').maps(_LONGER * options.iterations)) * (1 + CLOSE['hundredth'])
  solvers, modes = {}, {}
  for name in names:
    solvers[name], modes[name] = choose(problem, pilot, name, options.iterations, goal, say)
  curves = {name: solver.objectives(options.iterations) for name, solver in solvers.items()}
  best = problem.objective(Ours(problem, 'fista').maps(_LONGER * options.iterations))
  best = min(best, *(float(np.nanmin(curve)) for curve in curves.values()))
  times = {name: [] for name in names}
  for _ in range(options.rounds):
    for name, solver in solvers.items():
      times[name].append(seconds_of(solver))
  rows = rows_of(names, modes, curves, times, best)
  say(f'\n{benchmark_ops.hardware()}; float32; {len(images)} images of 100x100, {options.filters} filters of ')
  say(f'{options.window}x{options.window}; best objective {best:.4g}; medians of {options.rounds} rounds.\n')
  say(f'| solver | mode | {" | ".join(f"s to within {share:g}" for share in CLOSE.values())} | s an iteration |')
  say('|---' * (3 + len(CLOSE)) + '|')
  for row in rows:
    found = row['values']
    cells = [f'{found[key]:.2f}' if (key := f'seconds.{close}') in found else '–' for close in CLOSE]
    say(f'| {row["name"]} | {row["group"]} | {" | ".join(cells)} | {found["seconds.iteration"]:.4f} |')
  libraries = [] if options.ours else [__import__('sporco')]
  measured = {'images': len(images), 'filters': f'{options.filters} of {options.window}x{options.window}'}
  measured |= {'learned_steps': options.learned, 'data_weight': options.data_weight, 'best_objective': best}
  measured |= {'note': 'medians of interleaved rounds; from zero; borders and masks as the script says'}
  protocol = benchmark_ops.protocol(True, options.rounds, **measured)
  result_files.save_benchmark(options.save, 'scripts.benchmark_sparse_coding', protocol, rows, libraries)


if __name__ == '__main__':
  with command.one_sentence():
    main()
