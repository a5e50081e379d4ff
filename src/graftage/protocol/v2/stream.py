"""The messages of `pluginv2.Stream`.

The requests to subscribe, to run and to publish are of one form, and so are the answers to the first and the
last.
"""

from __future__ import annotations

from graftage.backend.stream import StreamAnswer, StreamRequest
from graftage.protocol.v2.context import context_of_message, context_to_message, texts
from graftage.protocol.v2.parsing import parse, text


def encode_stream_request(request: StreamRequest) -> bytes:
    """A request to subscribe, to run or to publish."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.RunStreamRequest(
        pluginContext=context_to_message(request.context),
        path=text(request.path),
        data=request.data,
        headers=texts(request.headers),
    ).SerializeToString()


def decode_stream_request(data: bytes) -> StreamRequest:
    """A request to subscribe, to run or to publish. Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.RunStreamRequest, data)
    return StreamRequest(
        context_of_message(message.pluginContext), message.path, message.data, dict(message.headers)
    )


def encode_stream_answer(answer: StreamAnswer) -> bytes:
    """The answer to a request to subscribe or to publish."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = pb.SubscribeStreamResponse(data=answer.data)
    message.status = answer.status  # type: ignore[assignment] # a number of no name is allowed, and kept
    return message.SerializeToString()


def decode_stream_answer(data: bytes) -> StreamAnswer:
    """The answer to a request to subscribe or to publish. Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    message = parse(pb.SubscribeStreamResponse, data)
    return StreamAnswer(int(message.status), message.data)


def encode_packet(data: bytes) -> bytes:
    """data: JSON, which everybody on the channel gets."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return pb.StreamPacket(data=data).SerializeToString()


def decode_packet(message: bytes) -> bytes:
    """The JSON in a packet. Raises WireError."""
    from graftage.protocol.pb import backend_v2_pb2 as pb

    return parse(pb.StreamPacket, message).data
