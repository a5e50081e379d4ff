"""What a plugin writes: the first line on stdout is its handshake, all the rest is for the log."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping

from graftage.host.allowance import Allowance
from graftage.host.copies import Copy
from graftage.host.drain import Drain
from graftage.host.launch_options import LaunchOptions
from graftage.host.lines import Line, LineCutter
from graftage.host.plugin_log import PluginLog
from graftage.host.process import PluginProcess
from graftage.protocol.log_record import LogRecord, read_log_line
from graftage.protocol.messages import Output

FIRST_LINE_BYTES = 64 * 1024  # a first line so long is no handshake
TAIL_LINES = 100
_TAIL_LINE_BYTES = 2048  # of each line that is kept for an error's text
# After a process is gone its pipes end, unless somebody else holds them open for ever.
_PIPE_SECONDS = 1.0

# Takes what has arrived; and has the plugin logged it already?
Printed = Callable[[bytes, bool], None]


class Announcement:
    """What a plugin prints on stdout: one line that counts, then whatever comes, for the log at debug."""

    def __init__(self, log: PluginLog) -> None:
        self.line: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._cutter = LineCutter(FIRST_LINE_BYTES)
        self._log = log

    @property
    def begun(self) -> bytes:
        """What has arrived of a first line that has no end yet."""
        return b"" if self.line.done() else self._cutter.begun

    def feed(self, data: bytes) -> None:
        """Take what was read from stdout."""
        for line in self._cutter.feed(data):
            self._add(line)

    def finish(self) -> None:
        """Stdout is at its end: a last piece is a line, too. `line` is None if there was none at all."""
        for line in self._cutter.end():
            self._add(line)
        if not self.line.done():
            self.line.set_result(None)
        self._log.flush()

    def _add(self, line: Line) -> None:
        if not self.line.done():
            self.line.set_result(line.data)
        elif self._log.admits(len(line.data)):
            self._log.write(_raw(line))


class PrintedText:
    """What a plugin's program prints once it serves: it arrives over gRPC, in chunks that are no lines."""

    def __init__(self, log: PluginLog, *, line_limit: int) -> None:
        self._cutter = LineCutter(line_limit)
        self._log = log

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        for line in self._cutter.feed(data):
            self._add(line)

    def finish(self) -> None:
        """No more comes: a last piece without a line end is a line, too."""
        for line in self._cutter.end():
            self._add(line)
        self._log.flush()

    def _add(self, line: Line) -> None:
        if self._log.admits(len(line.data)):
            self._log.write(self._record(line))

    def _record(self, line: Line) -> LogRecord:
        return _raw(line)


class Stderr(PrintedText):
    """What a plugin prints on stderr: records and plain text, each at its level. The last lines are kept."""

    def __init__(self, log: PluginLog, *, line_limit: int) -> None:
        super().__init__(log, line_limit=line_limit)
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._panicking = False

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, oldest first, each shortened if it is long."""
        return tuple(line.decode("utf-8", "replace") for line in self._tail)

    def _add(self, line: Line) -> None:
        self._tail.append(line.data[:_TAIL_LINE_BYTES])
        super()._add(line)

    def _record(self, line: Line) -> LogRecord:
        if not line.whole:
            return _raw(line)
        record, self._panicking = read_log_line(line.data, panicking=self._panicking)
        return record


class _Channel:
    """One channel of what a plugin's program prints, on its way to the log and to whoever wants a copy."""

    def __init__(self, text: PrintedText, copy: Copy) -> None:
        self.text = text
        self._copy = copy

    def feed(self, data: bytes, is_logged: bool) -> None:
        """Take what has arrived. is_logged: has the plugin itself logged it?"""
        if data:
            self._copy.write(data)
        if not is_logged:
            self.text.feed(data)


def _raw(line: Line) -> LogRecord:
    return LogRecord(logging.DEBUG, line.data.decode("utf-8", "replace"))


class PrintedOutput:
    """What a plugin's program prints, as it comes over gRPC: all there is of one that somebody else started.

    pace: how fast it is read.
    """

    def __init__(self, plugin_id: str, options: LaunchOptions, logger: logging.Logger) -> None:
        limit, copies = options.log_line_limit, options.copies
        self.pace = _pace(options)
        # Go programs print to a redirected stderr what others write to the real one.
        self._channels = {
            Output.STDOUT: _Channel(
                PrintedText(_log(plugin_id, "printed text", options, logger), line_limit=limit),
                Copy(copies.printed, "printed text", logger),
            ),
            Output.STDERR: _Channel(
                Stderr(_log(plugin_id, "printed errors", options, logger), line_limit=limit),
                Copy(copies.printed_errors, "printed errors", logger),
            ),
        }

    @property
    def takers(self) -> Mapping[int, Printed]:
        """Who takes what is printed, by the channel's number."""
        return {number: channel.feed for number, channel in self._channels.items()}

    def finish(self) -> None:
        """Hand on last lines that have no end."""
        for channel in self._channels.values():
            channel.text.finish()


class PluginOutput:
    """Everything that one plugin's process says. It is read from the moment this is made."""

    def __init__(
        self, process: PluginProcess, plugin_id: str, options: LaunchOptions, logger: logging.Logger
    ) -> None:
        self.printed = PrintedOutput(plugin_id, options, logger)
        self.announcement = Announcement(_log(plugin_id, "stdout", options, logger))
        self._stderr = Stderr(_log(plugin_id, "stderr", options, logger), line_limit=options.log_line_limit)
        self._stderr_copy = Copy(options.copies.stderr, "stderr", logger)
        self._pipes = (
            Drain(process.stdout, self.announcement.feed, self.announcement.finish, _pace(options)),
            Drain(process.stderr, self._feed_stderr, self._finish_stderr, _pace(options)),
        )

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines on stderr, oldest first."""
        return self._stderr.tail

    async def close(self) -> None:
        """Read what is left in the pipes of a process that is gone, for a limited time."""
        ends = [asyncio.ensure_future(pipe.ended.wait()) for pipe in self._pipes]
        try:
            await asyncio.wait(ends, timeout=_PIPE_SECONDS)
        finally:
            for pipe, end in zip(self._pipes, ends, strict=True):
                end.cancel()
                pipe.close()
            self.printed.finish()

    def _feed_stderr(self, data: bytes) -> None:
        self._stderr_copy.write(data)
        self._stderr.feed(data)

    def _finish_stderr(self) -> None:
        self._stderr_copy.end_line()
        self._stderr.finish()


def _log(plugin_id: str, stream: str, options: LaunchOptions, logger: logging.Logger) -> PluginLog:
    return PluginLog(logger, plugin_id, stream, Allowance(options.log_rate, options.log_burst))


def _pace(options: LaunchOptions) -> Allowance:
    return Allowance(options.output_rate, options.output_rate)
