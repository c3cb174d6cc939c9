"""Reads imports and says which of them break the floors of the house.

Owns: the floor map and its rules, as tables. Works on source text, so that broken modules can be made up.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PACKAGE = "softphone"

FLOORS: Mapping[str, int] = {
    "tls_environment": 0,
    "errors": 0,
    "policy": 0,
    "sip": 1,
    "sdp": 1,
    "rtp": 1,
    "srtp": 1,
    "codecs": 1,
    "dsp": 1,
    "ua": 2,
    "messages": 3,
    "engine": 3,
    "storage": 3,
    "doctor": 4,
    "verify": 4,
    "lab": 4,
    "configuration": 4,
    "sound": 4,
    "recordings": 4,
    "controller": 4,
    "state": 3,
    "ui": 5,
    "cli": 5,
    "window_process": 6,
    "app": 6,
    "__main__": 7,
}
"""Every package and module directly under softphone/; imports go down only."""

STRANGERS = frozenset({1, 5})
"""Floors whose inhabitants do not know each other."""

ALLOWED_BETWEEN_STRANGERS = frozenset(
    {("sdp", "srtp.crypto_suites"), ("sdp", "srtp.master_key"), ("sdp", "codecs.records")}
)
"""sdp may use the records of the crypto suites and of the codecs."""

ROOTS = frozenset({"app", "window_process"})
"""The composition roots: of every process, and of the window's, which imports none of the engine's parts."""

PURE = frozenset({"errors", "policy", "sip", "sdp", "rtp", "srtp", "codecs", "dsp", "ua", "messages", "state"})

FORBIDDEN_IN_PURE = frozenset(
    {
        "anyio",
        "asyncio",
        "concurrent",
        "ctypes",
        "dns",
        "fcntl",
        "glob",
        "http",
        "io",
        "keyring",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "PySide6",
        "queue",
        "random",
        "requests",
        "sched",
        "secrets",
        "select",
        "selectors",
        "shiboken6",
        "shutil",
        "signal",
        "socket",
        "socketserver",
        "sounddevice",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "trio",
        "urllib",
        "uuid",
    }
)
"""Input and output, time, randomness and threads: these come into pure packages as values and arguments."""

FILE_OPENERS = frozenset({"open", "input"})

OWNERS: Mapping[str, tuple[str, ...]] = {
    "asyncio": ("engine",),
    "socket": ("engine",),
    "ssl": ("engine", "tls_environment"),  # the latter makes OpenSSL read our configuration, and no more
    "selectors": ("engine",),
    "sounddevice": ("engine",),
    "dns": ("engine",),
    "pylibsrtp": ("srtp",),
    "OpenSSL": ("engine",),
    "keyring": ("storage",),
    "PySide6": ("ui",),
    "shiboken6": ("ui",),
}
"""Who alone may import what; only app.py may besides."""


@dataclass(frozen=True)
class Import:
    """One imported module, absolute, and where."""

    target: str
    line: int


def imports_of(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Every import in the source, wherever it stands: at the top, in functions, for type checkers, by importlib.

    `from a import b` yields `a.b` too, since b may be a module. LookupError for a relative
    import that leaves the package.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, node.lineno)
            case ast.ImportFrom(module=name, names=names, level=level):
                base = _absolute(module, name, level, is_package=is_package)
                yield Import(base, node.lineno)
                for alias in names:
                    yield Import(f"{base}.{alias.name}", node.lineno)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[argument, *_],
            ):
                constant = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                yield Import(argument.value if constant else "?", node.lineno)  # type: ignore[attr-defined]


def _absolute(module: str, name: str | None, level: int, *, is_package: bool) -> str:
    if level == 0:
        return name or ""
    parts = module.split(".")
    keep = len(parts) - level + is_package
    if keep < 1:
        msg = f"{module}: relative import leaves the package"
        raise LookupError(msg)
    return ".".join([*parts[:keep], *([name] if name else [])])


def broken_floors(modules: Mapping[str, str], packages: frozenset[str] = frozenset()) -> list[str]:
    """A sentence for every import that the house does not allow.

    `modules` maps full names (`softphone.sip.uri`) to sources; `packages` are those that are an `__init__.py`.
    """
    sentences = []
    graph: dict[str, set[str]] = {}
    for module, source in sorted(modules.items()):
        unit = unit_of(module)
        if unit is None:
            continue
        if unit not in FLOORS:
            sentences.append(f"{module}: {unit} has no floor; give it one in the map")
            continue
        for found in imports_of(module, source, is_package=module in packages):
            sentences += [f"{module}:{found.line}: {why}" for why in _objections(unit, found.target)]
            other = unit_of(found.target)
            if other and other != unit and other in FLOORS:
                graph.setdefault(unit, set()).add(other)
        if unit in PURE:
            sentences += [f"{module}:{line}: {unit} is pure and calls {call}()" for line, call in _file_openers(source)]
    sentences += [f"{' → '.join(cycle)}: packages import each other" for cycle in _cycles(graph)]
    return list(dict.fromkeys(sentences))


def unit_of(module: str) -> str | None:
    """`sip` of `softphone.sip.uri`; None for what is not ours and for the bare package."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else None


def _objections(unit: str, target: str) -> Iterator[str]:
    if target == "?":
        if unit in PURE:
            yield f"{unit} is pure and imports a module by a computed name"
        return
    root = target.partition(".")[0]
    if root != PACKAGE:
        if unit in PURE and root in FORBIDDEN_IN_PURE:
            yield f"{unit} is pure and imports {root}"
        owners = OWNERS.get(root, ())
        if owners and unit not in owners and unit != "app":
            yield f"only {' and '.join(owners)} imports {root}"
        if unit == "__main__" and root not in sys.stdlib_module_names:
            yield f"__main__ imports only the composition roots, not {root}"
        return
    other = unit_of(target)
    if other is None or other == unit or other not in FLOORS:
        # `from softphone import __version__` and the like: the bare package is below everything.
        return
    if unit == "__main__" and other not in ROOTS:
        yield f"__main__ imports only the composition roots, not {other}"
    elif FLOORS[other] > FLOORS[unit]:
        yield f"{unit} (floor {FLOORS[unit]}) imports {other} (floor {FLOORS[other]}): imports go down only"
    elif FLOORS[other] == FLOORS[unit] and FLOORS[unit] in STRANGERS and not _allowed_between_strangers(unit, target):
        yield f"{unit} and {other} do not know each other: {target}"


def _allowed_between_strangers(unit: str, target: str) -> bool:
    path = target.removeprefix(PACKAGE + ".")
    return any(unit == who and (path + ".").startswith(what + ".") for who, what in ALLOWED_BETWEEN_STRANGERS)


def _file_openers(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in FILE_OPENERS:
                yield node.lineno, name


def _cycles(graph: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """One path for every cycle that is found; floors make them impossible except between neighbours."""
    for start in sorted(graph):
        for neighbour in sorted(graph[start]):
            if start < neighbour and FLOORS[start] == FLOORS[neighbour] and start in graph.get(neighbour, set()):
                yield [start, neighbour, start]
