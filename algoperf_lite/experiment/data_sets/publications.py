"""Data sets that anybody may download: their publishers' addresses, sizes and check sums.

Sizes and check sums are those that tensorflow-datasets 4.9.10 has of the same files.
"""

import dataclasses
import enum


class Form(enum.Enum):
    """What becomes of the downloaded files."""

    FILES = "files"  # they are read as they are
    ARCHIVE = "archive"  # unpacked
    SPEECH = "speech"  # unpacked, decoded, and its sentences turned into tokens


@dataclasses.dataclass(frozen=True)
class Download:
    """A file of a publisher's.

    Attributes:
      address: where it is fetched from.
      num_bytes: its size.
      sha256: its check sum.
    """

    address: str
    num_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.address.rpartition("/")[2]

    def at(self, mirror: str | None) -> str:
        """The address, or that of the same file in a folder of another server."""
        return f"{mirror.rstrip('/')}/{self.name}" if mirror else self.address


@dataclasses.dataclass(frozen=True)
class Publication:
    """A data set, or a part of one.

    Attributes:
      downloads: its files.
      folder: that is made, below the root of all data sets.
      form: what becomes of the files.
      inner: the folder of the archive that becomes `folder`.
      growth: bytes on the disk for each byte downloaded.
    """

    downloads: tuple[Download, ...]
    folder: str
    form: Form = Form.ARCHIVE
    inner: str = ""
    growth: float = 1.1

    @property
    def num_bytes(self) -> int:
        """Of all downloads."""
        return sum(one.num_bytes for one in self.downloads)


_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_LIBRISPEECH = "https://www.openslr.org/resources/12"


# fmt: off
def _speech(part: str, num_bytes: int, sha256: str) -> Publication:
    file = Download(f"{_LIBRISPEECH}/{part}.tar.gz", num_bytes, sha256)
    # FLAC takes 0.55 of the samples' bytes.
    return Publication((file,), f"librispeech/{part}", Form.SPEECH, f"LibriSpeech/{part}", 1.9)


PUBLICATIONS = {
    "mnist": Publication((
        Download(f"{_MNIST}/train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),  # noqa: E501
        Download(f"{_MNIST}/train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),  # noqa: E501
        Download(f"{_MNIST}/t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),  # noqa: E501
        Download(f"{_MNIST}/t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),  # noqa: E501
    ), "MNIST", Form.FILES),
    "fashion_mnist": Publication((
        Download(f"{_FASHION}/train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),  # noqa: E501
        Download(f"{_FASHION}/train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),  # noqa: E501
        Download(f"{_FASHION}/t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),  # noqa: E501
        Download(f"{_FASHION}/t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),  # noqa: E501
    ), "fashion-mnist", Form.FILES),
    "cifar": Publication((
        Download("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),  # noqa: E501
    ), "cifar10/cifar-10-batches-bin", inner="cifar-10-batches-bin"),
    "ogbg": Publication((
        Download("https://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download/pcba.zip", 39_533_472, "0bb12da2f3ec8b0bb80564114a6174fad2df6a3a0d3c19470b3a27813a7d4e53"),  # noqa: E501
    ), "ogbg/pcba", inner="pcba"),
    # Ten classes of ImageNet, made small: a folder of its own, so that it is not taken for all.
    "imagenette": Publication((
        Download("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz", 99_003_388, "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5"),  # noqa: E501
    ), "imagenette", inner="imagenette2-160"),
    "dev-clean": _speech("dev-clean", 337_926_286, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),  # noqa: E501
    "dev-other": _speech("dev-other", 314_305_928, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),  # noqa: E501
    "test-clean": _speech("test-clean", 346_663_984, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),  # noqa: E501
    "train-clean-100": _speech("train-clean-100", 6_387_309_499, "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"),  # noqa: E501
    "train-clean-360": _speech("train-clean-360", 23_049_477_885, "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"),  # noqa: E501
    "train-other-500": _speech("train-other-500", 30_593_501_606, "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"),  # noqa: E501
}
# fmt: on
