"""JPEG pictures as bytes of red, green and blue, decoded bit for bit as TensorFlow does."""

import numpy as np

from algoperf_lite.data import needed
from algoperf_lite.data.source import DataError

# What libjpeg says of pictures that lack data; it goes on after other faults, and so do we.
_CUT_SHORT = ("premature end", "no image", "not a jpeg")


def decode(data: bytes, where: str) -> np.ndarray:
    """The picture uint8 (height, width, 3); a grey one has three equal channels.

    Args:
      where: the file, and the record in it, for the message.
    Raises DataError where the data are no whole picture.
    """
    with needed.package("simplejpeg", "imagenet"):
        import simplejpeg
    # TensorFlow's default is the fast integer DCT; the accurate one is a grey level away.
    options = {"colorspace": "RGB", "fastdct": True}
    try:
        try:
            return simplejpeg.decode_jpeg(data, **options)
        except ValueError as error:
            if any(words in str(error).lower() for words in _CUT_SHORT):
                raise
            return simplejpeg.decode_jpeg(data, **options, strict=False)
    except ValueError as error:
        raise DataError(
            f"{where} is no whole JPEG picture ({error}); copy the file again, or prepare the "
            "data set anew"
        ) from error
