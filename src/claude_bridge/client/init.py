"""The first configuration file: it asks for a backend's URL and key, looks which models are there, and writes the file.

The key goes into a file of its own beside it, or stays in a variable: the configuration has no secret in it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.http_probe import USUAL_KIND, KeyNeeded, ListedBackend, Unreachable, listed_models, look
from claude_bridge.client.needed_backends import BACKEND_KEY
from claude_bridge.client.person import TRIES, Person
from claude_bridge.client.target import USUAL, USUAL_PORT
from claude_bridge.client.typed_key import typed_key
from claude_bridge.config.backend_urls import is_here
from claude_bridge.config.directories import config_files
from claude_bridge.core.nearest_names import name_list, nearest_names

_UNTOLD: Final = frozenset({"api", "llm", "inference", "openai", "www", "ai", "router"})
"""Parts of a host's name that do not say whose it is."""

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


@frozen(kw_only=True)
class Wanted:
    """What the command line says; what it does not say is asked.

    :ivar url: of the backend.
    :ivar kind: of the backend.
    :ivar model: as the backend calls it.
    :ivar key_variable: the variable that will have the key when the daemon runs, instead of a file; "" for a file.
    :ivar file: the file to write; None for the user's own.
    """

    url: str | None = None
    kind: str = USUAL_KIND
    model: str | None = None
    key_variable: str = ""
    file: str | None = None


@frozen(kw_only=True)
class Found:
    """What the file is made from.

    :ivar key: None if the backend wants none.
    :ivar port: where the bridge is to listen; None for the usual port.
    """

    backend: ListedBackend
    model: str
    key: str | None = field(repr=False)
    port: int | None = None


@frozen(kw_only=True)
class Written:
    """What was written.

    :ivar key_file: the file with the key, if there is one.
    :ivar written: the files that are new.
    """

    path: Path
    key_file: Path | None
    found: Found
    written: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """Return what was done, one line for each file."""
        listed = len(self.found.backend.models)
        told = f"{self.found.backend.url} lists {listed} model{'' if listed == 1 else 's'}"
        lines = [told if listed else f"{self.found.backend.url} has no list of models", f"written: {self.path}"]
        if self.key_file is not None:
            done = "written" if self.key_file in self.written else "used"
            lines.append(f"{done}: {self.key_file} (the key, for you alone)")
        if self.found.port is not None:
            lines.append(f"the bridge is to listen at http://127.0.0.1:{self.found.port}: port {USUAL_PORT} is taken")
        return "".join(f"{line}\n" for line in lines)


def write_first_file(wanted: Wanted, environ: Mapping[str, str], person: Person) -> Written:
    """Ask what is missing, and write the files. Raises `ExpectedFailure`; then nothing was written."""
    path = _target(wanted, environ)
    found = _look(wanted, environ, person)
    key_file = None
    if found.key is not None and not wanted.key_variable:
        key_file = path.with_name(f"{backend_name(found.backend.url)}.key")
    texts = {path: configuration(found, key_file, wanted.key_variable)}
    if key_file is not None and not _has(key_file, found.key or ""):
        texts = {key_file: f"{found.key}\n", **texts}
    _write_all(texts)
    return Written(path=path, key_file=key_file, found=found, written=tuple(texts))


def configuration(found: Found, key_file: Path | None = None, key_variable: str = "") -> str:
    """Return the INI text for one backend and one model."""
    backend, alias = backend_name(found.backend.url), alias_of(found.model)
    lines = ["# Written by claude-bridge init; etc/claude-bridge.reference.ini has every option, with a comment."]
    if found.port is not None:
        lines += [f"# Port {USUAL_PORT} is taken.", "[server]", f"listen = tcp:{found.port}:interface=127.0.0.1", ""]
    lines += [
        f"[backend:{backend}]",
        f"url = {_escaped(found.backend.url)}",
    ]
    if found.backend.kind != USUAL_KIND:
        lines.append(f"kind = {found.backend.kind}")
    if key_file is not None:
        lines.append(f"api_key = file:{_escaped(str(key_file))}")
    elif found.key is not None:
        lines.append(f"api_key = ${{{key_variable}}}")
    lines += ["", f"[model:{alias}]", f"backend = {backend}", f"name = {_escaped(found.model)}"]
    lines += ["", "[route:default]", f"models = {alias}"]
    return "\n".join(lines) + "\n"


def backend_name(url: str) -> str:
    """Return a name for the backend at a URL: ``local``, else the part of the host's name that says whose it is."""
    if is_here(url):
        return "local"
    host = urlsplit(url).hostname or ""
    if re.fullmatch(r"[\d.]+|.*:.*", host):
        return "backend"
    labels = host.split(".")
    telling = [each for each in (labels[:-1] or labels) if each not in _UNTOLD]
    return _UNFIT.sub("-", telling[-1] if telling else labels[0]) or "backend"


def alias_of(model: str) -> str:
    """Return a short name for a model: ``zai-org/GLM-4.5-Air:free`` is ``glm-4.5-air``."""
    last = model.rsplit("/", 1)[-1].partition(":")[0].lower()
    return _UNFIT.sub("-", last).strip("-.") or "model"


def _target(wanted: Wanted, environ: Mapping[str, str]) -> Path:
    """Return the absolute path of the file to write, which must not be there yet."""
    if wanted.file is not None:
        path = Path(wanted.file).absolute()
    else:
        own = next(iter(config_files({name: environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in environ})))
        path = Path(own)
    if path.exists():
        raise ExpectedFailure(
            f"{path} already exists: `claude-bridge doctor` examines it; edit it, or name another with --config"
        )
    return path


def _look(wanted: Wanted, environ: Mapping[str, str], person: Person) -> Found:
    """Return the backend with its models, the chosen model, and the key. What was mistyped is asked again."""
    tries = TRIES if wanted.url is None and person.is_there else 1
    while True:
        tries -= 1
        url = wanted.url or person.text("URL of the backend, such as http://127.0.0.1:8000/v1")
        if not url:
            raise ExpectedFailure("which backend? name it: claude-bridge init --url http://127.0.0.1:8000/v1")
        try:
            backend, key = _listed(url if "://" in url else f"http://{url}", wanted, environ, person)
            break
        except Unreachable as error:
            if not tries:
                raise
            person.tell(str(error))
    return Found(backend=backend, model=_model(wanted.model, backend, person), key=key, port=other_port(backend.url))


def _listed(url: str, wanted: Wanted, environ: Mapping[str, str], person: Person) -> tuple[ListedBackend, str | None]:
    """Return a backend that was asked for its models, and the key that it wants."""
    with suppress(KeyNeeded):
        return listed_models(url, None, wanted.kind), None
    variable = wanted.key_variable or BACKEND_KEY
    key = environ.get(variable, "").strip()
    if key:
        with suppress(KeyNeeded):
            return listed_models(url, key, wanted.kind), key
        told = f"{url} does not accept the key in {variable}"
        if not person.is_there:
            raise ExpectedFailure(told)
        person.tell(told)
    typed = typed_key(person, "key of the backend", url, partial(listed_models, url, kind=wanted.kind))
    if typed is None:
        raise ExpectedFailure(f"{url} wants a key: set {variable} to it")
    key, backend = typed
    return backend, key


def other_port(url: str) -> int | None:
    """Return a free port for the bridge, if a backend at this URL or another server has the usual one; else None."""
    mine = urlsplit(url).port == USUAL_PORT and is_here(url)
    if not mine and not look(USUAL, None).is_other:
        return None
    for port in range(USUAL_PORT + 1, USUAL_PORT + 100):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise ExpectedFailure(f"port {USUAL_PORT} is taken, and so are the next hundred")


def _model(name: str | None, backend: ListedBackend, person: Person) -> str:
    listed = backend.models
    if name is None:
        if len(listed) == 1:
            return listed[0]
        if listed and person.is_there:
            return person.choose("which model", listed)
        if not listed:
            if person.is_there:
                person.tell(f"{backend.listing}, so its models are not known")
            name = person.text("name of the model, as the backend calls it")
        if not name:
            known = f"; {backend.listing}, is the URL right?"
            if listed:
                known = f", one of {name_list(listed[:5], len(listed))}"
            raise ExpectedFailure(f"which model? name it with --model{known}")
    folded = {each.casefold(): each for each in listed}
    if listed and name.casefold() not in folded:
        near = name_list(nearest_names(name, listed), len(listed))
        raise ExpectedFailure(f"the backend lists no model {name}: it has {near}")
    return folded.get(name.casefold(), name)


def _write_all(texts: Mapping[Path, str]) -> None:
    """Write new files for their owner alone; if one cannot be written, none is left."""
    written: list[Path] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            with suppress(OSError):
                path.unlink()
        told = "already exists" if isinstance(error, FileExistsError) else f"cannot be written: {error.strerror}"
        raise ExpectedFailure(f"{error.filename} {told}") from None


def _has(path: Path, key: str) -> bool:
    """Return whether a file has this key already. Raises `ExpectedFailure` if it has something else."""
    try:
        if not path.exists():
            return False
        if path.read_text(encoding="utf-8").strip() == key:
            return True
    except (OSError, ValueError):
        pass
    raise ExpectedFailure(
        f"{path} already exists, with something other than this key: remove it, or leave the key in a variable with "
        "--key-variable NAME"
    )


def _escaped(text: str) -> str:
    return text.replace("$", "$$")
