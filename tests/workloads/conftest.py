"""Models are tested as AlgoPerf has them: parameters as stored, whatever multiplier was found."""

import pytest

import workloads


@pytest.fixture(autouse=True, scope="module")
def _no_multiplier(request):
    # The multiplier has tests of its own.
    if request.module.__name__.rpartition(".")[2] == "test_multiplier":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workloads, "multiplier", lambda family, scale: None)
        yield
