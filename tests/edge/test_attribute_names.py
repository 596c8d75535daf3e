"""Promises of the attributes whose names CPython keeps once for all instances."""

from __future__ import annotations

import sys

from claude_bridge.edge.attribute_names import share_names

NAMES = tuple(f"name_{number}" for number in range(28))


def sizes(kind: type) -> set[int]:
    """Return the sizes of the attributes of forty instances that are there before any of them has one."""
    instances = [kind() for _ in range(40)]
    for name in NAMES:
        for instance in instances:
            setattr(instance, name, None)
    return {sys.getsizeof(vars(instance)) for instance in instances}


class ShareNamesTests:
    """Names are kept once."""

    def test_instances_that_come_together(self) -> None:
        """Instances that are all made before the first is complete have no table of their own."""

        class Plain:
            """One whose names are not shared."""

        class Sharing:
            """One whose names are."""

        share_names(Sharing, NAMES)
        assert max(sizes(Sharing)) < min(sizes(Plain)) / 2

    def test_first_instance_is_not_kept(self) -> None:
        """What was made for the names is gone, and the class has no attribute that it did not have."""
        ends: list[str] = []

        class Noting:
            def __del__(self) -> None:
                ends.append("gone")

        before = set(vars(Noting))
        share_names(Noting, NAMES)
        assert (ends, set(vars(Noting))) == (["gone"], before)
