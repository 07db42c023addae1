"""Messages of tf.train.Example, in which TFDS keeps a record's features, without TensorFlow."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError

Features = Mapping[str, Any]  # name -> a message of which one of the three lists is set

# Number, name and type of each field: tensorflow/core/example/feature.proto.
_LISTS = {"BytesList": "TYPE_BYTES", "FloatList": "TYPE_FLOAT", "Int64List": "TYPE_INT64"}
_KINDS = {"bytes_list": "BytesList", "float_list": "FloatList", "int64_list": "Int64List"}


def parse(record: bytes, where: str) -> Features:
    """The features of a record by name. Raises DataError, which names `where`, if it is none."""
    example, decode_error = _example()
    try:
        message = example.FromString(record)
    except decode_error:
        raise DataError(
            f"{where} is no tf.train.Example, which TFDS writes; is this file of the data set "
            "that its name says?"
        ) from None
    return message.features.feature


def ints(features: Features, name: str, where: str) -> np.ndarray:
    """A feature of whole numbers: int64 (n,), flat as it is stored."""
    return np.array(_values(features, name, "int64_list", where), np.int64)


def floats(features: Features, name: str, where: str) -> np.ndarray:
    """A feature of numbers: float32 (n,), flat as it is stored."""
    return np.array(_values(features, name, "float_list", where), np.float32)


def data(features: Features, name: str, where: str) -> bytes:
    """A feature of one text or file, as bytes."""
    values = _values(features, name, "bytes_list", where)
    if len(values) != 1:
        raise DataError(f"{where} has {len(values)} values of {name!r}; one was expected")
    return values[0]


def _values(features: Features, name: str, kind: str, where: str) -> Any:
    # Asking a protobuf map for a name that it lacks would add it.
    if name not in features:
        raise DataError(
            f"{where} has no feature {name!r} but {', '.join(sorted(features)) or 'none'}; is "
            "this file of the data set, and of the version, that was expected?"
        )
    feature = features[name]
    found = feature.WhichOneof("kind")
    if found != kind:
        raise DataError(f"the feature {name!r} of {where} is a {found}; a {kind} was expected")
    return getattr(feature, kind).value


@functools.cache
def _example() -> tuple[Any, type[Exception]]:
    """The message class and the error of its parser; built here, since the copies that TFDS and
    TensorFlow bring take seconds to load."""
    with needed.package("protobuf", "reading TFRecord files"):
        from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
    # In a pool of its own: a process may load TensorFlow's copy too.
    pool, field = descriptor_pool.DescriptorPool(), descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="example.proto", package="tensorflow", syntax="proto3"
    )

    def add(owner: Any, number: int, name: str, kind: str, repeated: bool = False) -> Any:
        label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        added = owner.field.add(number=number, name=name, label=label)
        if kind.startswith("TYPE_"):
            added.type = getattr(field, kind)
        else:
            added.type, added.type_name = field.TYPE_MESSAGE, f".tensorflow.{kind}"
        return added

    for name, kind in _LISTS.items():
        add(file.message_type.add(name=name), 1, "value", kind, repeated=True)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(_KINDS.items(), start=1):
        add(feature, number, name, kind).oneof_index = 0
    features = file.message_type.add(name="Features")
    # A map is a repeated message of key and value with this option.
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add(entry, 1, "key", "TYPE_STRING")
    add(entry, 2, "value", "Feature")
    add(features, 1, "feature", "Features.FeatureEntry", repeated=True)
    add(file.message_type.add(name="Example"), 1, "features", "Features")
    pool.Add(file)
    example = pool.FindMessageTypeByName("tensorflow.Example")
    return message_factory.GetMessageClass(example), message.DecodeError
