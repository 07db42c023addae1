"""FarmHash's 64-bit fingerprint of an 8-byte text with a column's number behind it, in numpy.

AlgoPerf makes ids of categories by TensorFlow's `to_hash_bucket_fast`, which is this fingerprint
modulo the number of buckets. All arithmetic is modulo 2^64.
"""

import numpy as np

TEXT_BYTES = 8

_K2 = np.uint64(0x9AE16A3B2F90404F)  # FarmHash's second odd constant


def bucket(texts: np.ndarray, column: int, num_buckets: int) -> np.ndarray:
    """Buckets int32 (n,) of texts such as '68fd1e64' + '0'.

    Args:
      texts: uint64 (n,), the eight bytes of each text as a little-endian number.
      column: 0 to 99, whose decimal digits are appended to each text.
    """
    suffix = str(column).encode()
    length = TEXT_BYTES + len(suffix)
    last = texts >> np.uint64(8 * len(suffix))
    last |= np.uint64(int.from_bytes(suffix, "little") << (64 - 8 * len(suffix)))
    return (_fingerprint(texts, last, length) % np.uint64(num_buckets)).astype(np.int32)


def _fingerprint(first: np.ndarray, last: np.ndarray, length: int) -> np.ndarray:
    """Fingerprints uint64 (n,) of texts of 8 to 16 bytes.

    `HashLen0to16` of FarmHash's farmhashna.cc, whose result for a given text never changes.

    Args:
      first, last: uint64 (n,), the first and the last eight bytes, which may overlap.
    """
    factor = _K2 + np.uint64(2 * length)
    a = first + _K2
    c = _rotated(last, 37) * factor + a
    d = (_rotated(a, 25) + last) * factor
    return _mixed(c, d, factor)


def _mixed(u: np.ndarray, v: np.ndarray, factor: np.uint64) -> np.ndarray:
    """Two words as one (`HashLen16`)."""
    a = (u ^ v) * factor
    a ^= a >> np.uint64(47)
    b = (v ^ a) * factor
    b ^= b >> np.uint64(47)
    return b * factor


def _rotated(x: np.ndarray, bits: int) -> np.ndarray:
    """Words turned right by some bits."""
    return (x >> np.uint64(bits)) | (x << np.uint64(64 - bits))
