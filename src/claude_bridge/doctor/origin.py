"""Where the owner has written a backend: what mends it is said of that place, and not of a file that is not there."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.variables import DEFAULT_BACKEND
from claude_bridge.config.variables import SECTION as ENVIRONMENT

COMMAND_LINE: Final = "command line"
"""Subject of a finding whose line is an option of the doctor's own."""

_ADDRESS: Final = "BACKEND_URL"
_KEY: Final = "BACKEND_API_KEY"


@frozen(kw_only=True)
class Setting:
    """One setting at the place where it is written.

    :ivar name: what people call it, as ``BACKEND_URL``.
    :ivar subject: a section of the file, `ENVIRONMENT`, or `COMMAND_LINE`.
    :ivar form: of the line that sets it, with ``{}`` for the value.
    """

    name: str
    subject: str
    form: str

    def line(self, value: str) -> str:
        """Return the line that gives it a value."""
        return self.form.format(value)


@frozen(kw_only=True)
class Origin:
    """Where the settings of a backend are written.

    :ivar url, key: its address, its key.
    :ivar listen: the addresses on which the bridge listens.
    :ivar in_file: whether there is a configuration file.
    :ivar alone: whether it is in no configuration, only on the command line.
    """

    url: Setting
    key: Setting
    listen: Setting
    in_file: bool = True
    alone: bool = False

    @property
    def place(self) -> str:
        """Return what to add to a section that only a file can have; "" where there is a file."""
        return "" if self.in_file else " of a configuration file (claude-bridge init writes one)"


def origin_of(config: Config, backend: Backend, *, by_option: bool = False) -> Origin:
    """Return where a backend is written.

    :param by_option: whether the command line names it.
    """
    place, _, variables = config.source.partition(" with ")
    section = f"backend:{backend.name}"
    is_default = backend.name == DEFAULT_BACKEND
    in_file = not (by_option or (is_default and place == ENVIRONMENT))
    by_variable = not in_file or (is_default and _ADDRESS in variables.split(", "))
    url = Setting(name="`url`", subject=section, form="url = {}")
    if by_option:
        url = Setting(name="--url", subject=COMMAND_LINE, form="--url {}")
    elif by_variable:
        url = Setting(name=_ADDRESS, subject=ENVIRONMENT, form=f"{_ADDRESS}={{}}")
    if in_file:
        key = Setting(name=f"`api_key` in [{section}]", subject=section, form="api_key = {}")
        listen = Setting(name="`listen`", subject="server", form="listen = {}")
    else:
        key = Setting(name=_KEY, subject=ENVIRONMENT, form=f"{_KEY}={{}}")
        listen = Setting(name="HOST_PORT", subject=ENVIRONMENT, form="HOST_PORT={}")
    return Origin(url=url, key=key, listen=listen, in_file=in_file, alone=by_option)
