"""What goes over the link to a plugin beside its calls: two standing streams, and the watch over the link.

Source: hashicorp/go-plugin, grpc_client.go (`newGRPCClient`), grpc_stdio.go, grpc_broker.go,
grpc_controller.go.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping

import grpc
import grpc.aio

from graftage.errors import LOGGED_CHARACTERS, WireError, shortened
from graftage.host.allowance import Allowance
from graftage.host.link import Link
from graftage.protocol import messages, rpc
from graftage.protocol.broker import Broker
from graftage.protocol.handshake import Handshake

_LOOK_SECONDS = 0.25
_MESSAGE_COST = 16 * 1024  # to read a message costs more than its bytes; this many more, for the pace

# Plugins that lack a service, and plugins that are just ending, are no reason for a line in the log.
_QUIET = {
    grpc.StatusCode.OK,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
}


class NoAnswer(Exception):
    """The plugin was reached, but it does not answer calls."""


async def check_answers(channel: grpc.aio.Channel, *, timeout: float) -> bool:
    """Does the plugin call itself serving? Any other answer is False; raises NoAnswer when there is none.

    A plugin without the health service answers, too, and is taken to serve.
    """
    check = channel.unary_unary(rpc.HEALTH_CHECK, None, None)
    try:
        return messages.is_serving(
            await check(messages.encode_health_check(rpc.HEALTH_NAME), timeout=timeout)
        )
    except grpc.aio.AioRpcError as error:
        if error.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}:
            raise NoAnswer(_details(error) or error.code().name) from error
        return error.code() is grpc.StatusCode.UNIMPLEMENTED
    except WireError as error:
        raise NoAnswer(str(error)) from error


async def ask_to_shut_down(channel: grpc.aio.Channel, *, timeout: float) -> bool:
    """Ask the plugin to end by itself; False when it does not know how to. All else counts as asked.

    Go plugins end so abruptly that the normal answer is UNAVAILABLE.
    """
    try:
        await channel.unary_unary(rpc.SHUTDOWN, None, None)(messages.EMPTY, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        return error.code() is not grpc.StatusCode.UNIMPLEMENTED
    return True


async def hold_broker(channel: grpc.aio.Channel, broker: Broker, logger: logging.Logger) -> None:
    """Keep the broker's stream open, as every plugin expects, and let the broker work over it."""
    stream = channel.stream_stream(rpc.START_BROKER, None, None)(None)
    try:
        await broker.converse(aiter(stream), stream.write)
        logger.debug("the plugin's broker stream ended")
    except grpc.aio.AioRpcError as error:
        logger.log(_end_level(error.code()), "the plugin's broker stream ended: %s", error.code().name)
    except WireError as error:
        logger.warning("the plugin's broker stream is not read any more: %s", error)
    finally:
        stream.cancel()


async def copy_output(
    channel: grpc.aio.Channel,
    feed: Mapping[int, Callable[[bytes, bool], None]],
    pace: Allowance,
    logger: logging.Logger,
) -> None:
    """Hand on what the plugin's program prints, until the plugin ends the stream.

    feed: by channel number; told, too, whether the log has it already: a plugin of our SDK says that what it
    prints to stdout is on stderr as log records.
    """
    stream = channel.unary_stream(rpc.STREAM_STDIO, None, None)(messages.EMPTY)
    loop = asyncio.get_running_loop()
    unknown: set[int] = set()
    try:
        async for message in stream:
            number, data = messages.decode_output(message)
            if number in feed:
                feed[number](data, number == messages.Output.STDOUT and await _is_logged(stream))
            elif number not in unknown:
                unknown.add(number)
                logger.warning("the plugin prints to channel %d, which is unknown; it is left out", number)
            # Who is not read must wait: gRPC's flow control stops a plugin that prints too fast.
            await asyncio.sleep(pace.borrow(len(data) + _MESSAGE_COST, loop.time()))
    except grpc.aio.AioRpcError as error:
        logger.log(_end_level(error.code()), "the plugin's stdio stream ended: %s", _details(error))
    except WireError as error:
        logger.warning("the plugin's stdio stream is not read any more: %s", error)
    finally:
        stream.cancel()


async def _is_logged(stream: grpc.aio.UnaryStreamCall[bytes, bytes]) -> bool:
    return rpc.OUTPUT_IS_LOGGED in dict(await stream.initial_metadata())


async def watch(link: Link, *, patience: float) -> str:
    """Return, with the reason, when the plugin cannot be reached any more although it may live.

    A socket's file that is deleted (temporary folders are cleaned from time to time) does no harm as long as
    the connection stands; once that breaks, nobody can ever connect again.
    """
    channel, handshake = link.channel, link.handshake
    ready = grpc.ChannelConnectivity.READY
    while True:
        state = channel.get_state(try_to_connect=True)
        if state is ready:
            await channel.wait_for_state_change(ready)
            continue
        broken = time.monotonic()
        while (state := channel.get_state(try_to_connect=True)) is not ready:
            if link.ended.done():
                return f"the only connection to it has ended: {link.ended.result()}"
            if is_gone(handshake):
                return f"the connection broke and its socket {handshake.address} is gone"
            if time.monotonic() - broken > patience:
                return f"the connection broke and {handshake.address} took no other for {patience:g} s"
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await channel.wait_for_state_change(state)
            except TimeoutError:
                continue


def socket_path(handshake: Handshake) -> str:
    """The file of the plugin's socket; empty when there is none."""
    return "" if handshake.network != "unix" or handshake.address.startswith("@") else handshake.address


def is_gone(handshake: Handshake) -> bool:
    """Has the file of the plugin's socket been deleted?"""
    path = socket_path(handshake)
    return path != "" and not os.path.exists(path)


def _details(error: grpc.aio.AioRpcError) -> str:
    return shortened(error.details() or "", LOGGED_CHARACTERS)


def _end_level(code: grpc.StatusCode) -> int:
    return logging.DEBUG if code in _QUIET else logging.WARNING
