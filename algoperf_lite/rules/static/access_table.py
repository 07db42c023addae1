"""Names that a submission may not reach, each with the rule it breaks.

A name stands for all that is below it: "os" for "os.path.join".
"""


def words(text: str) -> tuple[str, ...]:
    """A long list of names, written so that it is easy to read and to add to."""
    return tuple(text.split())


HARNESS = words("""
    algoperf algorithmic_efficiency algoperf_lite workloads submissions scoring benchmarks
    studies
""")
# The exceptions to HARNESS. They hold neither data nor targets, and published files import them.
OFFERED = words("""
    algoperf.spec algoperf.jax_sharding_utils algoperf.sharding_utils
    algorithmic_efficiency.spec algorithmic_efficiency.jax_sharding_utils algoperf_lite.spec
    algoperf_lite.schedules algoperf_lite.optimizers
""")

# Harmless names in modules that FORBIDDEN has for what else is in them.
HARMLESS = words("""
    gc.collect gc.enable gc.disable gc.isenabled gc.freeze gc.unfreeze
    inspect.signature inspect.Signature inspect.Parameter inspect.getfullargspec inspect.cleandoc
    inspect.isfunction inspect.isclass inspect.ismethod
    os.sep os.PathLike os.path.join os.path.basename os.path.dirname os.path.splitext os.path.sep
    sys.version_info sys.maxsize sys.float_info
    traceback.format_exc traceback.format_exception traceback.print_exc
    datetime.timedelta pathlib.PurePath pathlib.PurePosixPath
    importlib.util.find_spec importlib.metadata.version importlib.metadata.PackageNotFoundError
""")

# Modules that compute, name, or write to the log. Everything else must be declared, since a
# library that is not installed elsewhere makes the submission another one there.
USUAL = frozenset(
    words("""
    __future__ abc array ast bisect builtins calendar cmath collections colorsys contextlib
    contextvars copy dataclasses decimal difflib enum errno fnmatch fractions functools graphlib
    hashlib heapq itertools json keyword logging math numbers operator pprint random re reprlib
    shlex statistics string struct textwrap token types typing typing_extensions unicodedata
    warnings weakref
    absl chex flax jax jaxlib jraph numpy optax
    """)
)

_NAMES = {
    "clock-access": """
        time datetime timeit sched
    """,
    "system-access": """
        os sys posix nt platform ctypes _ctypes cffi subprocess signal resource atexit faulthandler
        mmap fcntl pty select selectors site sysconfig getpass pwd uuid secrets psutil pynvml
        cProfile profile tracemalloc trace builtins.input builtins.breakpoint
        absl.flags absl.app absl.command_name jax.distributed jax.monitoring jax.profiler jax.ffi
        jax.extend numpy.ctypeslib numpy.f2py
    """,
    "background-work": """
        threading _thread multiprocessing concurrent asyncio queue joblib ray
    """,
    "network-access": """
        socket socketserver ssl urllib urllib3 requests http httpx aiohttp ftplib smtplib
        telnetlib xmlrpc webbrowser wandb huggingface_hub
    """,
    "file-access": """
        io _io pathlib shutil tempfile glob pickle _pickle marshal shelve dbm sqlite3 dill
        cloudpickle h5py fileinput zipfile tarfile linecache csv configparser orbax builtins.open
        logging.FileHandler logging.handlers logging.config absl.logging.use_absl_log_file
        numpy.load numpy.save numpy.savez numpy.savez_compressed numpy.savetxt numpy.loadtxt
        numpy.genfromtxt numpy.fromfile numpy.memmap numpy.lib.format numpy.lib.npyio
        numpy.DataSource jax.numpy.load jax.numpy.save jax.numpy.savez jax.numpy.fromfile
        jax.experimental.compilation_cache jax.experimental.serialize_executable
        numpy.rec numpy.fromregex flax.training.checkpoints flax.io flax.metrics builtins.__file__
        jax.experimental.array_serialization jax.export
    """,
    "dynamic-code": """
        importlib imp builtins.exec builtins.eval builtins.compile builtins.__import__ runpy pkgutil
        zipimport code codeop types.FunctionType types.CodeType types.ModuleType
        typing.get_type_hints typing.ForwardRef typing_extensions.get_type_hints
        builtins.__loader__ builtins.__spec__
    """,
    "introspection": """
        gc inspect dis symtable unittest mock pdb bdb traceback builtins.globals
        builtins.__builtins__ types.FrameType types.TracebackType jax.tree_util.gc
    """,
    "embedded-data": """
        base64 binascii zlib gzip bz2 lzma codecs numpy.frombuffer numpy.fromstring
        jax.numpy.frombuffer jax.numpy.fromstring
    """,
    "held-out-data": """
        jax.live_arrays
    """,
    "global-settings": """
        jax._src.config
        jax.config.update jax.config.config.update jax.config.parse_flags_with_absl
        jax.config.config_with_absl
        jax.default_matmul_precision jax.enable_x64 jax.experimental.enable_x64
        jax.experimental.disable_x64 jax.numpy_dtype_promotion jax.default_prng_impl
        jax.threefry_partitionable jax.clear_caches jax.clear_backends
    """,
    "harness-access": " ".join(HARNESS),
}
# Grouped by rule above, since that is how people add to it; looked up by name below.
FORBIDDEN = {name: rule for rule, names in _NAMES.items() for name in words(names)}

# Honest files use these as well, for printing and debugging, so a reader has to judge.
REVIEWED = {
    name: rule
    for rule, names in {
        "host-callback": """
            jax.debug.callback jax.pure_callback jax.experimental.io_callback
            jax.experimental.host_callback
        """,
        "introspection": "jax._src builtins.vars builtins.dir builtins.locals builtins.help",
        "file-access": "logging.basicConfig",
        "system-access": "builtins.exit builtins.quit",
        "embedded-data": "builtins.__doc__",
    }.items()
    for name in words(names)
}

# Modules that libraries have imported for themselves, by their own names: contextlib.os is os.
WITHIN = {
    name: name.lstrip("_")
    for name in words("""
        os sys _os _sys time subprocess socket ctypes threading importlib inspect gc pickle shutil
        builtins jax
    """)
} | {"np": "numpy", "jnp": "jax.numpy"}

# Attributes that no object may be asked for. They are matched by name alone, since static reading
# cannot tell what an object is; so only names stand here that no honest object has.
ATTRIBUTES = {
    name: rule
    for rule, names in {
        "introspection": """
            __globals__ __closure__ __code__ __subclasses__ __bases__ __base__ __mro__ mro
            __dict__ __builtins__ __loader__ __spec__ __getattribute__ __reduce__ __reduce_ex__
            __func__ __self__ f_back f_globals f_locals f_builtins gi_frame cr_frame ag_frame
            tb_frame _getframe _current_frames
        """,
        "monkeypatch": "__setattr__ __delattr__",
        "dynamic-code": "__import__ import_module",
        "file-access": "tofile dump read_text read_bytes write_text write_bytes",
        "embedded-data": "fromhex",
        "held-out-data": """
            validation_target_value test_target_value has_reached_validation_target
            has_reached_test_target dataset eval_dataset eval_step eval_metrics eval_model
            _build_input_queue _build_dataset _eval_model_on_split _eval_model _eval_batch
            _eval_iters attach_metrics_logger live_arrays live_buffers live_executables
        """,
    }.items()
    for name in words(names)
}
# Docstrings are not counted as embedded data, so they must not be read as data either.
REVIEWED_ATTRIBUTES = {"__class__": "introspection", "__doc__": "embedded-data"}


def is_below(path: str, name: str) -> bool:
    """Whether a dotted name is another one, or something in it."""
    return path == name or path.startswith(f"{name}.")


def rule_of(path: str, rules: dict[str, str]) -> tuple[str, str] | None:
    """(shortest prefix of a dotted name that is in `rules`, its rule), None where there is none."""
    parts = path.split(".")
    # A module that another one has imported is still itself: `optax.np.load` is numpy's `load`.
    for start, part in enumerate(parts[1:], start=1):
        if part in WITHIN:
            found = rule_of(".".join([WITHIN[part], *parts[start + 1 :]]), rules)
            if found:
                return found
    if any(is_below(path, allowed) for allowed in (*OFFERED, *HARMLESS)):
        return None
    for end in range(1, len(parts) + 1):
        prefix = ".".join(parts[:end])
        if prefix in rules:
            return prefix, rules[prefix]
    return None
