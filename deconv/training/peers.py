"""The processes of one run know of each other's end, so that none of them waits for another that is gone.

JAX notices a peer's death after 100 seconds and then aborts the process with a stack trace; when the process that holds
JAX's coordinator dies, the others abort at once. Neither can be turned off or caught. So the processes keep connections
of their own, in a star around process 0: the system closes a connection when its process ends, however it ends. JAX's
own connection to its coordinator goes through them too, from a port of each process's own machine, and stays open
towards JAX when process 0 is gone: JAX has nothing to abort for, and the process has the time to say what happened.

Everything here runs in one thread, which works while the main thread waits in a collective operation for ever.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
import time

from deconv.errors import UserError
from deconv.training.ending import end_now

# Seconds between two tries to reach process 0.
_BETWEEN_TRIES = 0.2
# Seconds that a process's own error has, before that of another process, which often is the same, is told instead.
_OWN_ERROR_FIRST = 1.0
# Seconds that a message to another process may take when this one ends.
_LAST_WORDS = 5.0
# A connection to a machine that is gone without a word counts as closed after 10 + 4 * 5 seconds.
_KEEPALIVE = {'TCP_KEEPIDLE': 10, 'TCP_KEEPINTVL': 5, 'TCP_KEEPCNT': 4}


class Peers:
  """This process's connections to the others of its run.

  When another process ends early, this one prints one sentence on stderr and ends with exit status 2, whatever its
  main thread does.
  """

  def __init__(self, address, count, index, timeout):
    """Notes who is who.

    Args:
      address: 'HOST:PORT' of process 0.
      count: number of processes.
      index: of this process, from 0 to count - 1.
      timeout: seconds that the processes wait for each other at the start.
    """
    host, _, port = address.rpartition(':')
    self.address, self.count, self.index, self.timeout = address, count, index, timeout
    self._host, self._port = host.strip('[]'), int(port)
    self._streams = {}  # index of another process: (the StreamWriter to it, the name of its machine)
    self._done = set()  # the processes that have ended as they should
    self._coordinator = None  # port of JAX's coordinator on the machine of process 0
    self._all_here = asyncio.Event()
    self._may_end = threading.Lock()  # held by who ends this process, and never given back
    self._left = False
    self._tasks = set()
    self._loop = asyncio.new_event_loop()
    threading.Thread(target=self._loop.run_forever, name='peers', daemon=True).start()

  def join(self):
    """Waits until all processes are there.

    Returns:
      'HOST:PORT' that JAX has to be given as its coordinator's address; process 0 has to bind it.

    Raises:
      UserError: process 0 does not answer, not all of the others come within `timeout` seconds, or they do not fit
        together.
    """
    port = self._call(self._gather() if self.index == 0 else self._reach())
    return f'127.0.0.1:{port}'

  def leave(self):
    """Tells the others that this process has done all that it had to do. It still ends when one of them is lost."""
    self._left = True
    with contextlib.suppress(OSError):
      self._call(self._tell({'done': self.index}), _LAST_WORDS)

  def fail(self, reason):
    """Tells the others why this process ends. When it is about to end because of one of them, never returns.

    Args:
      reason: one sentence without a full stop.
    """
    if not self._may_end.acquire(blocking=False):
      while True:  # the other thread is about to end the process
        time.sleep(1)
    with contextlib.suppress(OSError):
      self._call(self._tell({'lost': self.index, 'host': socket.gethostname(), 'reason': reason}), _LAST_WORDS)

  def _call(self, coroutine, timeout=None):
    return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

  # Process 0.

  async def _gather(self):
    """Waits for the others; returns a port that is free for JAX's coordinator."""
    try:
      listening = _listen(self._port)
    except OSError as error:
      raise UserError(
        f'process 0 cannot listen on port {self._port} ({error.strerror}): end what uses the port, or choose another '
        'one in --distributed'
      ) from error
    self._server = await asyncio.start_server(self._welcome, sock=listening)
    if self.count > 1:
      try:
        async with asyncio.timeout(self.timeout):
          await self._all_here.wait()
      except TimeoutError:
        missing = sorted(set(range(1, self.count)) - set(self._streams))
        raise UserError(
          f'after {self.timeout} s {_numbers(missing)} of {self.count} (counted from 0) had not come to '
          f'{self.address}: start all of them, or let all of them wait longer with --distributed_timeout=SECONDS'
        ) from None
    with socket.create_server(('127.0.0.1', 0)) as free:
      self._coordinator = free.getsockname()[1]
    await self._tell({'go': True})
    return self._coordinator

  async def _welcome(self, reader, writer):
    """Serves one connection: of a process, or of the JAX inside of one."""
    _keep_alive(writer)
    try:
      async with asyncio.timeout(self.timeout):
        hello = await _read(reader)
      if hello.get('for') == 'coordinator':
        await self._to_coordinator(reader, writer)
        return
      index, count, host = int(hello['index']), int(hello['count']), str(hello['host'])
    except (OSError, KeyError, TypeError, ValueError):  # not one of us
      writer.close()
      return
    if count != self.count or index in self._streams or not 0 < index < self.count or self._all_here.is_set():
      said = f'process {index} of {count} (counted from 0)'
      fits = f'it is one of {self.count}' if count != self.count else f'process {index} is there already'
      await _write(writer, {'refused': f'{said} was refused by process 0 at {self.address}, which says that {fits}'})
      writer.close()
      return
    self._streams[index] = writer, host
    if len(self._streams) == self.count - 1:
      self._all_here.set()
    await self._listen_to(index, host, reader)

  async def _to_coordinator(self, reader, writer):
    async with asyncio.timeout(self.timeout):
      while True:  # JAX may still be starting it
        try:
          inner = await asyncio.open_connection('127.0.0.1', self._coordinator)
          break
        except OSError:
          await asyncio.sleep(_BETWEEN_TRIES)
    await asyncio.gather(_pump(reader, inner[1]), _pump(inner[0], writer))

  # The others.

  async def _reach(self):
    """Finds process 0 and waits for its word; returns the port here that leads to JAX's coordinator there."""
    reader, writer = await self._connect(time.monotonic() + self.timeout)
    try:
      await _write(writer, {'index': self.index, 'count': self.count, 'host': socket.gethostname()})
      async with asyncio.timeout(2 * self.timeout):  # process 0 may have come later than this one, and waits as long
        answer = await _read(reader)
    except OSError:
      raise UserError(
        f'{self.address} answers, but not as process 0 of this run: correct the address in --distributed, or see what '
        'process 0 says'
      ) from None
    if 'refused' in answer:
      raise UserError(f'{answer["refused"]}: correct --distributed')
    if 'go' not in answer:
      await self._end(answer['lost'], answer['host'], answer['reason'])
    self._streams[0] = writer, self._host
    self._spawn(self._listen_to(0, self._host, reader))
    self._server = await asyncio.start_server(self._forward, '127.0.0.1', 0)
    return self._server.sockets[0].getsockname()[1]

  async def _connect(self, deadline):
    while True:
      try:
        async with asyncio.timeout(max(deadline - time.monotonic(), _BETWEEN_TRIES)):
          reader, writer = await asyncio.open_connection(self._host, self._port)
        _keep_alive(writer)
        return reader, writer
      except OSError as error:  # a TimeoutError is one
        if time.monotonic() > deadline:
          raise UserError(
            f'process 0 does not answer at {self.address} ({error.strerror or "no answer"}) after {self.timeout} s: '
            'start it there, correct the address in --distributed, or let this process wait longer with '
            '--distributed_timeout=SECONDS'
          ) from error
      await asyncio.sleep(_BETWEEN_TRIES)

  async def _forward(self, reader, writer):
    """Takes JAX's connection here to its coordinator there. That one's end is kept from it."""
    try:
      outer = await asyncio.open_connection(self._host, self._port)
      _keep_alive(outer[1])
      await _write(outer[1], {'for': 'coordinator'})
    except OSError:  # process 0 is gone
      return
    self._spawn(_pump(reader, outer[1]))
    await _pump(outer[0], writer, close=False)
    await asyncio.Event().wait()

  # All.

  async def _listen_to(self, index, host, reader):
    """Reads what another process says until it has ended."""
    while True:
      try:
        message = await _read(reader)
      except OSError:
        break
      if 'done' in message:
        self._done.add(message['done'])
      elif 'lost' in message:
        await self._end(message['lost'], message['host'], message['reason'])
    if index in self._done:
      return
    if self.index == 0 and not self._all_here.is_set():
      del self._streams[index]  # it may be started again
      return
    await self._end(index, host, None)

  async def _end(self, index, host, reason):
    """Ends this process because of another one; the reason is None where that one could not say it."""
    if self.index == 0:
      await self._tell({'lost': index, 'host': host, 'reason': reason}, but=index)
    if reason:
      await asyncio.sleep(_OWN_ERROR_FIRST)
    if not self._may_end.acquire(blocking=False):
      return
    if self._left:
      os._exit(0)
    what = (
      f'stopped: {reason}'
      if reason
      else 'is gone (it was killed, or its machine is lost): start all processes again with the same command, '
      'and the run goes on from its last checkpoint'
    )
    end_now(2, f"error: process {index} of {self.count} (counted from 0) on '{host}' {what}")

  async def _tell(self, message, but=None):
    """Writes to the processes that this one is connected with; some may be gone."""
    for index, (writer, _) in list(self._streams.items()):
      if index != but:
        with contextlib.suppress(OSError):
          async with asyncio.timeout(_LAST_WORDS):
            await _write(writer, message)

  def _spawn(self, coroutine):
    task = self._loop.create_task(coroutine)
    self._tasks.add(task)  # the loop itself does not keep it
    task.add_done_callback(self._tasks.discard)
    return task


def _listen(port):
  """Returns a socket that listens on a port of all addresses of this machine."""
  if socket.has_dualstack_ipv6():
    return socket.create_server(('', port), family=socket.AF_INET6, dualstack_ipv6=True)
  return socket.create_server(('', port))


def _keep_alive(writer):
  connection = writer.get_extra_info('socket')
  connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
  if sys.platform == 'linux':
    for name, value in _KEEPALIVE.items():
      connection.setsockopt(socket.IPPROTO_TCP, vars(socket)[name], value)


async def _read(reader):
  """Returns the next message, a dict; OSError when there is none."""
  try:
    message = json.loads(await reader.readline())
  except ValueError:  # an empty line, or one that is too long, too
    message = None
  if not isinstance(message, dict):
    raise ConnectionError('closed')
  return message


async def _write(writer, message):
  writer.write(json.dumps(message).encode() + b'\n')
  await writer.drain()


async def _pump(reader, writer, close=True):
  """Copies what one connection says into another until it ends."""
  with contextlib.suppress(OSError):
    while data := await reader.read(2**16):
      writer.write(data)
      await writer.drain()
  if close:
    writer.close()


def _numbers(indices):
  if len(indices) == 1:
    return f'process {indices[0]}'
  return f'processes {", ".join(map(str, indices[:10]))}{" and more" if len(indices) > 10 else ""}'
