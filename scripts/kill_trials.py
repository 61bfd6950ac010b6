"""Runs that are killed at random moments, resumed, and compared with one that nobody disturbed.

The part of scripts/torture.py that the tests use too.
"""

import collections
import contextlib
import functools
import glob
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from typing import NamedTuple

from scripts import run_watch
from scripts.run_differences import differences, lines

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ANY_TIME, AT_THE_END, IN_THE_MIDDLE = 'any time', 'the end', 'the middle'
SOUGHT = (run_watch.START_UP, run_watch.CHECKPOINT, run_watch.PICTURES, run_watch.EVALUATION, AT_THE_END)
MOMENTS = (ANY_TIME,) * len(SOUGHT) + SOUGHT
_LOOKS_APART = 0.001  # seconds
_MISSES = 6  # in a row, after which a moment is given up
_POSTERITY = 5.0  # seconds in which the children of a process must be gone
_COMPARING = threading.Lock()  # several Trials may run in threads


class Plan(NamedTuple):
  """When and how a process is killed.

  Attributes:
    moment: ANY_TIME, AT_THE_END, IN_THE_MIDDLE or a phase of scripts/run_watch.py.
    fraction: of the time that the moment lasts in an undisturbed run, 0 to 1.
    number: signal.Signals.
    again: seconds after which the signal comes again; None = it does not.
  """

  moment: str
  fraction: float
  number: signal.Signals
  again: float | None


class Kill(NamedTuple):
  """A kill that was made: its plan, what the run was doing, and the exit status."""

  plan: Plan
  moment: run_watch.Moment
  status: int


class Reference(NamedTuple):
  """An undisturbed run.

  Attributes:
    folder: its workdir.
    evaluated: set of the steps that were evaluated.
    seconds: {phase or moment: how long it lasts, the longest of its kind}; under ANY_TIME those until it is finished.
  """

  folder: str
  evaluated: frozenset
  seconds: dict


class Failed(Exception):
  """A run did not do what it must; the message says what."""


class Trials:
  """Kills runs of one config and compares them.

  Attributes:
    reference: Reference, once `undisturbed` has made it.
    kills: list of Kill.
    processes: how many were started in the trials.
    full_disks: how many of them a full disk has ended.
    failures: list of sentences.
  """

  def __init__(self, start, out, seed, limit=300.0, say=print):
    """Kills nothing yet.

    Args:
      start: function of (workdir, path of a log) that starts a process and returns what has `pid` and `poll()` as
        subprocess.Popen has them; it leads a session of its own.
      out: folder for the workdirs and the logs.
      seed: of all that is random here.
      limit: seconds after which a process that has not ended hangs.
      say: called with a sentence for each failure.
    """
    self._start, self._out, self._limit, self._say = start, out, limit, say
    self._random = random.Random(seed)
    self._seed = seed
    self.reference = None
    self.kills, self.failures = [], []
    self.processes = self.full_disks = self._missed = 0
    self._decks = {}  # what is drawn from until it is empty, so that all is drawn equally often
    self._haste = collections.defaultdict(lambda: 1.0)  # of each moment: below 1 where kills came too late
    os.makedirs(out, exist_ok=True)

  def undisturbed(self, evaluated=frozenset()):
    """Makes the run that the others must equal, and measures how long its phases take.

    Args:
      evaluated: the steps that are evaluated, as far as they are known: else an evaluation passes for training.

    Returns:
      Reference.

    Raises:
      Failed: it does not end well.
    """
    folder = os.path.join(self._out, 'undisturbed')
    log = f'{folder}.log'
    since, began = time.time_ns(), time.monotonic()
    process = self._start(folder, log)
    watch = run_watch.Watch(folder, since, evaluated)
    seen = []
    while process.poll() is None:
      moment = watch.moment()
      if not seen or seen[-1][1] != moment:
        seen.append((time.monotonic(), moment))
      time.sleep(_LOOKS_APART)
      self._check_time(process, began, log)
    ended = time.monotonic()
    if process.poll() != 0:
      raise Failed(
        f'the undisturbed run ended with status {process.poll()}: {(_text(log).splitlines() or [""])[-1]} (see {log})'
      )
    metrics = lines(os.path.join(folder, 'metrics.jsonl'))
    evaluated = frozenset(line['step'] for line in metrics if line['split'] == 'eval')
    lasted = collections.defaultdict(list)
    for (start, moment), (end, _) in zip(seen, [*seen[1:], (ended, None)]):
      lasted[moment.phase].append(end - start)
    seconds = {phase: max(times) for phase, times in lasted.items()}
    first = next(start for start, moment in seen if moment.phase != run_watch.START_UP)
    last = next((start for start, moment in seen if moment.last), ended)
    finished = next((start for start, moment in seen if moment.phase == run_watch.FINISHED), ended)
    seconds.update({ANY_TIME: finished - began, run_watch.START_UP: first - began})
    seconds.update({IN_THE_MIDDLE: last - first, AT_THE_END: finished - last})
    self.reference = Reference(folder, evaluated, seconds)
    return self.reference

  def run(self, kills, row=4, moments=MOMENTS, faulty=10):
    """Makes so many kills, in folder after folder, and compares each folder with the undisturbed one.

    Args:
      kills: how many.
      row: at most so many kills in one folder.
      moments: those of a Plan that are drawn, each as often.
      faulty: after so many folders with something wrong no more are tried.

    Raises:
      Failed: kills cannot be made.
    """
    number, wanted = 0, len(self.kills) + kills
    while len(self.kills) < wanted and faulty > 0:
      number += 1
      if number > 3 * kills + 5:
        raise Failed(f'only {len(self.kills)} of {wanted} kills could be made in {number - 1} folders')
      folder = os.path.join(self._out, f'trial-{number:03d}')
      faulty -= not self._judge(folder, folder, functools.partial(self._trial, folder, wanted, row, moments))

  def _judge(self, folder, logs, trial):
    """Runs a trial and compares what it leaves; where all is well, removes it with its logs. Returns whether it is."""
    before = len(self.kills)
    try:
      trial()
      with _COMPARING:
        found = differences(folder, self.reference.folder)
    except Failed as error:
      found = [str(error)]
    kills = '; '.join(
      f'{kill.plan.number.name}{"" if kill.plan.again is None else " twice"} in {kill.moment.phase}, step '
      f'{kill.moment.step}, status {kill.status}'
      for kill in self.kills[before:]
    )
    for sentence in found:
      failure = f'{folder} (seed {self._seed}; {kills or "no kills"}): {sentence}'
      self.failures.append(failure)
      self._say(failure)
    if not found:
      shutil.rmtree(folder)
      for log in glob.glob(f'{glob.escape(logs)}-*.log'):
        os.remove(log)
    return not found

  def _trial(self, folder, wanted, row, moments):
    """Kills a run up to `row` times, then lets it finish."""
    left = min(self._random.randint(1, row), wanted - len(self.kills))
    for number in range(left + 1):
      plan = self._plan(moments) if number < left else None
      kill = self._process(folder, f'{folder}-{number}.log', plan)
      if kill is None:  # it is finished
        if plan:
          self._miss(moments)
        return
      self._made(kill, moments)

  def _plan(self, moments):
    number = self._draw(SIGNALS)
    again = number != signal.SIGKILL and self._random.random() < 0.25
    return Plan(self._draw(moments), self._random.random(), number, self._random.random() * 0.2 if again else None)

  def _draw(self, cards):
    """The card on the top of a shuffled deck."""
    if not self._decks.get(cards):
      self._decks[cards] = self._random.sample(cards, len(cards))
    return self._decks[cards][-1]

  def _made(self, kill, moments):
    self.kills.append(kill)
    self._missed = 0
    for cards in (moments, SIGNALS):
      self._decks[cards].pop()

  def _miss(self, moments):
    """The moment did not come, or not for long enough: others come first, and it is given up where it never comes."""
    self._missed += 1
    deck = self._decks[moments]
    card = deck.pop()
    self._haste[card] *= 0.7
    if deck or self._missed < _MISSES:
      deck.insert(0, card)

  def _process(self, folder, log, plan):
    """Starts a process and kills it as planned; returns the Kill, or None where it came to its end."""
    since, began = time.time_ns(), time.monotonic()
    process = self._start(folder, log)
    self.processes += 1
    watch = run_watch.Watch(folder, since, self.reference.evaluated)
    try:
      if plan and self._await(process, watch, plan, self.reference.seconds, began, log):
        moment = watch.moment()
        _send(process, plan.number)
        if plan.again is not None:
          time.sleep(plan.again)
          _send(process, plan.number)
        status = self._wait(process, time.monotonic(), log)
        # Python's own answer to Ctrl-C while it imports: nothing of the run exists yet.
        early = (
          plan.number == signal.SIGINT and moment.phase == run_watch.START_UP and 'KeyboardInterrupt' in _text(log)
        )
        self._check_traces(process, log, allowed=early)
        if status not in (0, -plan.number, 128 + plan.number) and not (early and status == 1):
          raise Failed(f'{plan.number.name} in {moment.phase} gave the exit status {status}: see {log}')
        if status and moment.phase != run_watch.FINISHED:
          return Kill(plan, moment, status)
        return None  # it was through already
      status = self._wait(process, began, log)
      self._check_traces(process, log)
      if status:
        raise Failed(f'a process that nobody disturbed ended with status {status}: see {log}')
      return None
    finally:
      _send(process, signal.SIGKILL)

  def _await(self, process, watch, plan, seconds, began, log):
    """Returns whether the moment of a plan came while the process was running; then it is now."""
    delay = plan.fraction * seconds.get(plan.moment, 0.1) * self._haste[plan.moment]
    if plan.moment in (ANY_TIME, run_watch.START_UP):
      time.sleep(max(0.0, delay - (time.monotonic() - began)))
      return process.poll() is None
    passed = None
    while process.poll() is None:
      moment = watch.moment()
      fits = {AT_THE_END: moment.last, IN_THE_MIDDLE: moment.phase != run_watch.START_UP and not moment.last}.get(
        plan.moment, moment.phase == plan.moment
      )
      # One of the moments of a kind; the last one in any case, for no other comes.
      if fits and moment != passed:
        if moment.last or plan.moment == IN_THE_MIDDLE or self._random.random() < 1 / 3:
          time.sleep(delay)
          return process.poll() is None
        passed = moment
      time.sleep(_LOOKS_APART)
      self._check_time(process, began, log)
    return False

  def _wait(self, process, began, log):
    while process.poll() is None:
      time.sleep(_LOOKS_APART)
      self._check_time(process, began, log)
    return process.poll()

  def _check_time(self, process, began, log):
    if time.monotonic() - began > self._limit:
      _send(process, signal.SIGKILL)
      raise Failed(f'a process hangs, for more than {self._limit:.0f} s: see {log}')

  def _check_traces(self, process, log, allowed=False):
    """No traceback, unless it is allowed, and no process of the session that outlives its leader for long."""
    if 'Traceback' in _text(log) and not allowed:
      raise Failed(f'there is a traceback: see {log}')
    end = time.monotonic() + _POSTERITY
    while orphans := _session(process.pid):
      if time.monotonic() > end:
        for pid in orphans:
          with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise Failed(f'it left {len(orphans)} processes behind: see {log}')
      time.sleep(0.05)

  def run_full_disks(self, number):
    """Lets runs meet a file system that is too small and grows between their starts.

    Returns:
      Why none could be mounted, or None.
    """
    room = sum(
      os.stat(os.path.join(place, name)).st_blocks * 512
      for place, _, names in os.walk(self.reference.folder)
      for name in names
    )
    for trial in range(1, number + 1):
      mounted = os.path.join(self._out, f'disk-{trial:03d}')
      os.makedirs(mounted, exist_ok=True)
      size = int(room * self._random.uniform(0.02, 0.5))
      reason = _mount(mounted, size)
      if reason:
        os.rmdir(mounted)
        return reason
      try:
        folder = os.path.join(mounted, 'run')
        self._judge(folder, mounted, functools.partial(self._fill, folder, mounted, size))
        if os.path.exists(folder):  # something is wrong with it: it is kept
          shutil.copytree(folder, f'{mounted}-kept')
      finally:
        subprocess.run(['umount', mounted], check=True)
        os.rmdir(mounted)
    return None

  def _fill(self, folder, mounted, size):
    for number in range(40):
      log = f'{mounted}-{number}.log'
      process = self._start(folder, log)
      self.processes += 1
      status = self._wait(process, time.monotonic(), log)
      self._check_traces(process, log)
      if status == 0:
        return
      errors = [line for line in _text(log).splitlines() if line.startswith('error: ')]
      if status not in (1, 2) or len(errors) != 1 or folder not in errors[0]:
        raise Failed(
          f'a full disk gave the exit status {status} and {len(errors)} sentences with its folder: see {log}'
        )
      self.full_disks += 1
      size = int(size * self._random.uniform(1.2, 2.5)) + 8192
      if reason := _mount(mounted, size, again=True):
        raise Failed(f'the file system cannot be made larger: {reason}')
    raise Failed(f'the run does not fit into {size} bytes: see {log}')


def _text(log):
  with open(log, encoding='utf-8', errors='replace') as file:
    return file.read()


def _send(process, number):
  if process.poll() is None:
    with contextlib.suppress(ProcessLookupError):
      os.kill(process.pid, number)


def _session(leader):
  """The processes of a session that is led by a process, without those that are dead and not waited for yet."""
  found = []
  for name in os.listdir('/proc') if os.path.isdir('/proc') else ():
    if name.isdigit():
      try:
        with open(f'/proc/{name}/stat') as file:
          state, _, _, session = file.read().rsplit(')', 1)[1].split()[:4]
      except OSError:
        continue
      if int(session) == leader and state != 'Z' and int(name) != leader:
        found.append(int(name))
  return found


def _mount(folder, size, again=False):
  """Mounts a file system of so many bytes in memory, or changes its size; returns why that cannot be done, or None."""
  options = f'remount,size={size}' if again else f'size={size}'
  command = ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder]
  try:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
  except OSError as error:
    return str(error)
  return (done.stderr.strip() or f'status {done.returncode}') if done.returncode else None


def hear_all_signals():
  """Lets the processes that are started from now on hear SIGNALS; for the main thread.

  A job in the background, or one under nohup, has some of them ignored, and what it starts inherits that.
  """
  for number in SIGNALS[1:]:
    if signal.getsignal(number) is signal.SIG_IGN:
      signal.signal(number, lambda *_: None)  # a function of Python's is not inherited


def popen(command, log, env=None):
  """Starts a command from the root of the repository, with its output in a log."""
  with open(log, 'wb') as file:
    return subprocess.Popen(
      command,
      cwd=ROOT,
      stdout=file,
      stderr=subprocess.STDOUT,
      start_new_session=True,
      env={**os.environ, **(env or {})},
    )
