"""A plugin of bare gRPC that behaves, or not, as the environment variable BEHAVIOUR says (words and commas).

    deaf-to-shutdown, deaf-to-term      go on when asked to end
    no-health, no-controller, no-stdio  lack these services (no-controller: as the plugins of 2018)
    not-serving, hang-on-check          say so; say nothing
    tell-streams                        tell on stderr of each standing stream
    tcp                                 listen on a port
    in-pieces, cr-lf, five-fields, nine-fields, junk-field      ways to print the handshake
    child, session-child, daemon        leave a process that holds the pipes open: in the plugin's group,
                                        in a session of its own, forked twice
    junk-to-stdout, flood-stdout, flood-stderr, flood-lines, flood-print    write without end
    burst-stdout, burst-stderr          write 8 MiB before the answer to a query
    print                               print a line over gRPC each time it is queried
    exit-on-query, hang-on-query, refuse-query, say-unavailable, big-answer, rubbish-answer
    drop-connections                    on SIGUSR1: listen no more, live on

The pids of processes it leaves are written to the file named by PIDS.
"""

from __future__ import annotations

import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc

from graftage.protocol import messages, rpc
from graftage.protocol.pb import datasource_v1_pb2 as v1

BEHAVIOUR = set(os.environ.get("BEHAVIOUR", "").split(","))
ended = threading.Event()
printed: queue.SimpleQueue[bytes] = queue.SimpleQueue()
flooded = 0  # bytes


def tell(what: str) -> None:
    """Say on stderr what happens, for tests that wait for it."""
    os.write(2, f"{what}\n".encode())


def hang(context: grpc.ServicerContext) -> None:
    while context.is_active():
        time.sleep(0.01)


def check(_request: bytes, context: grpc.ServicerContext) -> bytes:
    from grpc_health.v1 import health_pb2

    if "hang-on-check" in BEHAVIOUR:
        hang(context)
    response = health_pb2.HealthCheckResponse
    status = response.NOT_SERVING if "not-serving" in BEHAVIOUR else response.SERVING
    answer: bytes = response(status=status).SerializeToString()
    return answer


def shutdown(_request: bytes, _context: grpc.ServicerContext) -> bytes:
    if "deaf-to-shutdown" in BEHAVIOUR:
        tell("asked to shut down")
    else:
        ended.set()
    return b""


def stdio(_request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    global flooded
    if "tell-streams" in BEHAVIOUR:
        tell("a stdio stream began")
    while "flood-print" in BEHAVIOUR and context.is_active() and not ended.is_set():
        flooded += 1024
        yield messages.encode_output(messages.Output.STDOUT, b"z" * 1024)
    while context.is_active() and not ended.is_set():
        try:
            yield messages.encode_output(messages.Output.STDOUT, printed.get(timeout=0.05))
        except queue.Empty:
            continue


def broker(requests: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
    if "tell-streams" in BEHAVIOUR:
        tell("a broker stream began")
    for _ in requests:
        pass
    yield from ()


def query(request: bytes, context: grpc.ServicerContext) -> bytes:
    asked = v1.DatasourceRequest.FromString(request)
    for descriptor, word in ((1, "burst-stdout"), (2, "burst-stderr")):
        if word in BEHAVIOUR:
            burst(descriptor)
    if "print" in BEHAVIOUR:
        printed.put(b"a query came\n")
    if "exit-on-query" in BEHAVIOUR:
        os._exit(7)
    if "hang-on-query" in BEHAVIOUR:
        tell("a query hangs")
        hang(context)
        tell("the query was cancelled")
    if "refuse-query" in BEHAVIOUR:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such table: " + "x" * 100_000)
    if "say-unavailable" in BEHAVIOUR:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the database is down")
    if "rubbish-answer" in BEHAVIOUR:
        return b"\xff\xff\xff"
    points = [
        v1.Point(timestamp=1000 * i, value=i) for i in range(100_000 if "big-answer" in BEHAVIOUR else 3)
    ]
    series = [v1.TimeSeries(name=f"{flooded} bytes", points=points)]
    results = [v1.QueryResult(refId=one.refId, series=series) for one in asked.queries]
    return v1.DatasourceResponse(results=results).SerializeToString()


def serve() -> tuple[grpc.Server, str]:
    unary = grpc.unary_unary_rpc_method_handler
    services = {
        rpc.DATASOURCE_V1: {"Query": unary(query)},
        rpc.BROKER: {"StartStream": grpc.stream_stream_rpc_method_handler(broker)},
    }
    if "no-health" not in BEHAVIOUR:
        services[rpc.HEALTH] = {"Check": unary(check)}
    if "no-controller" not in BEHAVIOUR:
        services[rpc.CONTROLLER] = {"Shutdown": unary(shutdown)}
    if "no-stdio" not in BEHAVIOUR:
        services[rpc.STDIO] = {"StreamStdio": grpc.unary_stream_rpc_method_handler(stdio)}
    size = 4 * 1024 * 1024
    options = [("grpc.max_metadata_size", size), ("grpc.absolute_max_metadata_size", size)]
    server = grpc.server(futures.ThreadPoolExecutor(10), options=options)
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items())
    )
    if "tcp" in BEHAVIOUR:
        address = f"tcp|:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir()
        path = os.path.join(folder, f"plugin{os.getpid()}")
        server.add_insecure_port(f"unix:{path}")
        address = f"unix|{path}"
    server.start()
    return server, address


def leave(detach: Callable[[], object], *, twice: bool = False) -> None:
    """Leave a process that does nothing for an hour, and note its pid."""
    if os.fork() == 0:
        detach()
        if not twice or os.fork() == 0:
            with open(os.environ["PIDS"], "a") as file:
                file.write(f"{os.getpid()}\n")
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            time.sleep(3600)
        os._exit(0)


def flood(descriptor: int, portion: bytes) -> None:
    global flooded
    while True:
        flooded += os.write(descriptor, portion)


def burst(descriptor: int) -> None:
    """Write more than any pipe holds: a line of 1 MiB without an end, then seven of lines."""
    for portion in (b"b" * 1024 * 1024, *[b"b" * 1023 + b"\n"] * 7 * 1024):
        os.write(descriptor, portion)


def announce(line: str) -> None:
    """Print the handshake, in whatever way hosts have to take it."""
    ends = {"five-fields": "", "nine-fields": "||false|8|9", "junk-field": f"|{'eyJz' * 12}"}
    line += next((end for word, end in ends.items() if word in BEHAVIOUR), "|")
    line += "\r\n" if "cr-lf" in BEHAVIOUR else "\n"
    size = 7 if "in-pieces" in BEHAVIOUR else len(line)
    for start in range(0, len(line), size):
        os.write(1, line[start : start + size].encode())
        time.sleep(0.005 if "in-pieces" in BEHAVIOUR else 0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "deaf-to-term" in BEHAVIOUR:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "child" in BEHAVIOUR:
        leave(lambda: None)
    if "session-child" in BEHAVIOUR:
        leave(os.setsid)
    if "daemon" in BEHAVIOUR:
        leave(os.setsid, twice=True)
    server, address = serve()
    announce(f"1|1|{address}|grpc")
    floods = {
        "flood-stdout": (1, b"x" * 65536),
        "flood-stderr": (2, b"y" * 65536),
        "flood-lines": (2, b'{"@level":"info","@message":"again","n":1}\n' * 1000),
        "junk-to-stdout": (1, b"junk\n" * 1000),
    }
    for word in BEHAVIOUR & floods.keys():
        threading.Thread(target=flood, args=floods[word], daemon=True).start()
    if "drop-connections" in BEHAVIOUR:
        signal.signal(signal.SIGUSR1, lambda *_: server.stop(None))
    while not ended.wait(0.05):  # a signal that another thread got is handled when this one wakes
        pass
    server.stop(0.1).wait()
    os._exit(0)


if __name__ == "__main__":
    main()
