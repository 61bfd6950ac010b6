"""Twenty kills of three tasks, at the end of a run as often as in its middle: nothing differs from an undisturbed run.

The trials are those of scripts/torture.py. The seeds are fixed; when a process is where is not, so that a failure says
what was killed when.
"""

import pytest

from scripts import kill_trials, torture
from tests.experiments.smoke import QUICK_TO_COMPILE
from tests.training import forked, run_tiny

SIZE = {
  'train.steps': 20,
  'checkpoint.every': 4,
  'checkpoint.keep': 2,
  'eval.every': 6,
  'samples.every': 5,
  'eval.batch_size': 100,
}


def tiny(best):
  """The tiny task; `best` is (metric, min or max)."""
  fields = {**SIZE, 'log.every': 1, 'log.tensorboard': False}
  fields.update({'checkpoint.best_metric': best[0], 'checkpoint.best_is': best[1]})
  return lambda programs: (
    lambda folder, log: forked.Forked(run_tiny.main, (folder, {**fields, 'compilation_cache': programs}, 0.01), log)
  )


def smoke(name, best):
  """A config's smoke run through the entry point, on one device."""
  fields = {**torture.SIZE, **SIZE, 'checkpoint.best_metric': best[0], 'checkpoint.best_is': best[1]}
  flags = [f'--config={name}', *(f'--config.{field}={value}' for field, value in fields.items())]

  def start(programs):
    return lambda folder, log: forked.Forked(
      forked.run_module,
      ('experiments.main', [f'--workdir={folder}', *flags, f'--config.compilation_cache={programs}']),
      log,
      {'XLA_FLAGS': QUICK_TO_COMPILE},
    )

  return start


@pytest.mark.parametrize(
  'task, kills, seed',
  [
    (tiny(('error', 'min')), 12, 1),
    (smoke('configs/vae_digits.py:smoke', ('nll', 'max')), 4, 2),
    (smoke('configs/superres_conv_deconv.py:smoke', ('psnr', 'min')), 4, 3),
  ],
  ids=['tiny', 'vae', 'restoration'],
)
def test_killed_and_resumed_equals_undisturbed(task, kills, seed, tmp_path, monkeypatch):
  monkeypatch.chdir(kill_trials.ROOT)
  trials = kill_trials.Trials(task(str(tmp_path / 'programs')), str(tmp_path / 'runs'), seed, limit=300, say=print)
  trials.undisturbed(frozenset({6, 12, 18, 20}))
  trials.run(kills, moments=(kill_trials.AT_THE_END, kill_trials.IN_THE_MIDDLE))
  assert not trials.failures, trials.failures
  assert len(trials.kills) == kills
  ends = sum(kill.plan.moment == kill_trials.AT_THE_END for kill in trials.kills)
  assert ends == kills / 2, trials.kills
