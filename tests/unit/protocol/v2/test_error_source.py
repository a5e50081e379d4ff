"""Whose fault a failed call is, as `google.rpc` messages."""

from __future__ import annotations

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

from graftage.protocol.v2.error_source import DETAILS, ERROR_INFO, error_details, read_error_source

FIELD = descriptor_pb2.FieldDescriptorProto
STATUS = descriptor_pb2.FileDescriptorProto(
    name="status.proto",
    package="google.rpc",
    syntax="proto3",
    dependency=["google/protobuf/any.proto"],
    message_type=[
        descriptor_pb2.DescriptorProto(
            name="Status",
            field=[
                FIELD(name="code", number=1, type=FIELD.TYPE_INT32),
                FIELD(name="message", number=2, type=FIELD.TYPE_STRING),
                FIELD(
                    name="details",
                    number=3,
                    type=FIELD.TYPE_MESSAGE,
                    type_name=".google.protobuf.Any",
                    label=FIELD.LABEL_REPEATED,
                ),
            ],
        )
    ],
)
INFO = b"\x0a\x01r\x12\x01d"  # an ErrorInfo's reason and domain, which a plugin may give as well


def message_class(pool: descriptor_pool.DescriptorPool) -> type:
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(STATUS.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))


def test_the_details_are_a_status_with_code_message_and_source() -> None:
    ((name, value),) = error_details("downstream", "no such host")
    status = message_class(descriptor_pool.DescriptorPool()).FromString(value)  # type: ignore[attr-defined] # made at run time
    assert (name, status.code, status.message) == (DETAILS, 2, "no such host")
    (detail,) = status.details
    assert (detail.type_url, detail.value) == (ERROR_INFO, b"\x1a\x19\x0a\x0berrorSource\x12\x0adownstream")


def test_the_source_is_found_among_other_details() -> None:
    status = message_class(descriptor_pool.DescriptorPool())(code=2, message="x")
    status.details.add(type_url="type.googleapis.com/google.rpc.DebugInfo", value=b"\xff")
    status.details.add(
        type_url=ERROR_INFO,
        value=INFO + b"\x1a\x05\x0a\x01a\x12\x00" + b"\x1a\x15\x0a\x0berrorSource\x12\x06plugin",
    )
    assert read_error_source([("other", "x"), (DETAILS, status.SerializeToString())]) == "plugin"


def test_a_source_that_does_not_exist_is_none() -> None:
    assert read_error_source(error_details("the moon", "x")) == ""


def test_without_a_source_nothing_is_sent() -> None:
    assert error_details("", "x") == ()


def test_without_details_there_is_no_source() -> None:
    assert read_error_source(None) == ""
    assert read_error_source([(DETAILS, "text")]) == ""
