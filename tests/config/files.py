"""Files that are not there: the ``read`` that the configuration's functions take."""

from __future__ import annotations

from collections.abc import Mapping

from claude_bridge.config.load import parse
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Read

PEM = b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


def reading(files: Mapping[str, bytes | OSError] | None = None) -> Read:
    """Return a ``read`` that knows only ``files``; one that is an error is raised."""

    def read(path: str) -> bytes:
        content = (files or {}).get(path, FileNotFoundError(2, "No such file or directory"))
        if isinstance(content, OSError):
            raise content
        return content

    return read


def config_of(
    text: str,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, bytes | OSError] | None = None,
    bound: Mapping[str, bool] | None = None,
) -> Config:
    """Parse a configuration that must be valid."""
    return parse(text, environ or {}, reading(files), bound=bound)


def mistakes(
    text: str,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, bytes | OSError] | None = None,
    bound: Mapping[str, bool] | None = None,
) -> list[str]:
    """Return the lines of what is wrong with a configuration; none if it is valid."""
    try:
        parse(text, environ or {}, reading(files), bound=bound)
    except ConfigErrors as errors:
        return str(errors).splitlines()
    return []
