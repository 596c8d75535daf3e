"""What can be wrong with a database."""

from __future__ import annotations

from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, NoLedger, Unavailable


class KindsTests:
    """The kinds of trouble."""

    def test_none_is_another(self) -> None:
        """Each asks for something else to be done, so none is taken for another one."""
        kinds = (Broken, NewerVersion, NoLedger, Unavailable)
        assert [(one, two) for one in kinds for two in kinds if one is not two and issubclass(one, two)] == []
