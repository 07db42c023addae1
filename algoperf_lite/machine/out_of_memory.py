"""Evidence that a process died for want of memory: its last words, or the kernel's count."""

from pathlib import Path

# Of Python and numpy, of XLA, and of C++ and LLVM, which give up with SIGABRT; of CUDA and its
# libraries, which XLA passes on as errors of another kind.
_WORDS = (
    *("MemoryError", "RESOURCE_EXHAUSTED", "std::bad_alloc", "LLVM ERROR: out of memory"),
    *("CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
    "Memory allocation still failed",  # OpenBLAS
    # Nor is there room for a library, or for a thread's stack.
    *("Cannot allocate memory", "cannot allocate memory", "failed to map segment"),
    *("can't start new thread", "pthread_create"),
)
_CGROUPS = Path("/sys/fs/cgroup")


def said_by(text: str) -> str | None:
    """The last line of a text that speaks of a want of memory; None where none does."""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line[:300] for line in lines if any(word in line for word in _WORDS)), None)


def num_kills(own: Path = Path("/proc/self/cgroup"), cgroups: Path = _CGROUPS) -> int | None:
    """The number of processes that the kernel has killed for want of memory, in this one's cgroup;
    None where it does not say."""
    try:
        groups = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return None
    for number, controllers, path in groups:
        inside = path.lstrip("/")
        if number == "0":
            files = [cgroups / inside / "memory.events", cgroups / "memory.events"]
        elif "memory" in controllers.split(","):
            # In a container the path may be one of outside, and the root its own.
            files = [cgroups / "memory" / p / "memory.oom_control" for p in (inside, "")]
        else:
            continue
        for file in files:
            count = _count(file)
            if count is not None:
                return count
    return None


def _count(file: Path) -> int | None:
    """The number after "oom_kill" in a cgroup's file."""
    try:
        pairs = dict(line.split() for line in file.read_text().splitlines())
        return int(pairs["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None
