"""Which key of a backend is used, and when none may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import pytest
from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from claude_bridge.config.backend_keys import BackendKey
from claude_bridge.config.schema import Backend, KeyStrategy
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import (
    BillingRefused,
    BridgeError,
    InternalFault,
    InvalidRequest,
    KeysCooling,
    UpstreamCredentialRefused,
    UpstreamCut,
    UpstreamForbidden,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamServerError,
    UpstreamTimeout,
)
from claude_bridge.services.keys.key_pool import KeyPool, KeyUse, make_pool

LIMITED = UpstreamRateLimited("slow down")
REFUSED = UpstreamCredentialRefused("no")
UNPAID = BillingRefused("pay")


def keys(*options: dict[str, Any]) -> tuple[BackendKey, ...]:
    """Make keys, a set of options each."""
    return tuple(BackendKey(secret=Secret(f"sk-{number}"), **each) for number, each in enumerate(options))


def no_command(*_: object) -> NoReturn:
    """Fail: no command is configured."""
    raise AssertionError


@define
class Shop:
    """A backend with some keys, and requests to it."""

    options: tuple[dict[str, Any], ...] = ({}, {}, {})
    strategy: KeyStrategy = "fill_first"
    clock: Clock = field(factory=Clock)
    pool: KeyPool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the pool."""
        backend = Backend(name="shop", api_key=keys(*self.options), key_strategy=self.strategy)
        self.pool = make_pool(backend, self.clock.seconds, no_command)

    def begin(self, model: str = "glm", **more: Any) -> KeyUse:
        """Begin a request."""
        _, use = self.pool.take(model, **more)
        use.begun()
        return use

    def answered(self, model: str = "glm", tokens: int = 0, **more: Any) -> str:
        """Ask and be answered; return the number of the key."""
        use = self.begin(model, **more)
        use.succeeded(tokens)
        return use.key.name.removeprefix("shop/")

    def failed(self, error: BridgeError, model: str = "glm", retry_after: float | None = None) -> str:
        """Ask and be refused; return the number of the key."""
        use = self.begin(model)
        use.failed(error, retry_after)
        return use.key.name.removeprefix("shop/")

    def unavailable(self, model: str = "glm", tokens: int = 0) -> BridgeError:
        """Ask in vain."""
        with pytest.raises(BridgeError) as caught:
            self.pool.take(model, tokens=tokens)
        return caught.value


def told(events: Sequence[LogEvent]) -> list[tuple[str, str]]:
    """Return event and text of what was logged."""
    return [(event["event"], formatEvent(event)) for event in events]


class NameTests:
    """What records call keys."""

    def test_several(self) -> None:
        """They are numbered in the order of the file."""
        assert [key.name for key in Shop().pool.keys] == ["shop/1", "shop/2", "shop/3"]

    def test_single(self) -> None:
        """A single one is the backend's, as it was before there were pools."""
        assert [key.name for key in Shop(({},)).pool.keys] == ["backend"]


class StrategyTests:
    """Which of the keys that are ready is used."""

    @pytest.mark.parametrize(
        ("strategy", "weights", "used"),
        [
            ("fill_first", (1, 1, 1), "1111111111"),
            ("fill_first", (1, 9, 1), "1111111111"),
            ("round_robin", (1, 1, 1), "1231231231"),
            ("round_robin", (3, 1, 1), "1213112131"),
            ("round_robin", (1, 2, 1), "2132213221"),
            ("least_used", (1, 1, 1), "1231231231"),
        ],
    )
    def test_one_after_the_other(self, strategy: KeyStrategy, weights: tuple[int, ...], used: str) -> None:
        """Ten requests, each answered with as many tokens before the next."""
        shop = Shop(tuple({"weight": weight} for weight in weights), strategy)
        assert "".join(shop.answered(tokens=100) for _ in used) == used

    def test_round_robin_shares_are_exact_and_smooth(self) -> None:
        """In each round every key has as many requests as its weight, and none all of them at once."""
        shop = Shop(tuple({"weight": weight} for weight in (5, 2, 1)), "round_robin")
        rounds = ["".join(shop.answered() for _ in range(8)) for _ in range(3)]
        assert {"".join(sorted(each)) for each in rounds} == {"11111223"}
        assert not any("111" in each for each in rounds)

    def test_least_used_counts_requests_under_way(self) -> None:
        """The fewest requests by weight, then the fewest tokens by weight."""
        shop = Shop(({"weight": 2}, {}), "least_used")
        names = [shop.begin().key.name[-1] for _ in range(6)]
        assert names == ["1", "2", "1", "1", "2", "1"]

    def test_least_used_then_tokens(self) -> None:
        """Where nothing is under way, who has given the fewest tokens is next."""
        shop = Shop(({}, {}), "least_used")
        assert [shop.answered(tokens=tokens) for tokens in (1000, 10, 10, 10)] == ["1", "2", "2", "2"]

    @pytest.mark.parametrize("strategy", ["fill_first", "round_robin", "least_used"])
    def test_preferred(self, strategy: KeyStrategy) -> None:
        """The key that a conversation had is used while it is ready, whatever the strategy."""
        shop = Shop(strategy=strategy)
        assert {shop.answered(prefer="shop/3", tokens=9) for _ in range(5)} == {"3"}
        shop.begin(prefer="shop/3").failed(LIMITED, None)
        assert shop.answered(prefer="shop/3") != "3"
        assert shop.answered(prefer="shop/9") in {"1", "2", "3"}


class RateLimitedTests:
    """429 cools a key for one model."""

    def test_next_key_at_once(self) -> None:
        """Waiting is the key's, not the request's; another model may use it meanwhile."""
        shop = Shop()
        assert shop.failed(LIMITED, retry_after=30.0) == "1"
        assert (shop.answered(), shop.answered("other")) == ("2", "1")
        shop.clock.advance(29.9)
        assert shop.answered() == "2"
        shop.clock.advance(0.1)
        assert shop.answered() == "1"

    def test_all_cool(self) -> None:
        """Where no key may be used the soonest is told, in whole seconds."""
        shop = Shop()
        for retry_after in (30.0, 12.3, 60.0):
            shop.failed(LIMITED, retry_after=retry_after)
        error = shop.unavailable()
        assert isinstance(error, KeysCooling)
        assert (error.status, error.retry_after, error.fault, error.try_next) == (429, 13, "bridge", True)
        assert error.message == (
            "backend shop is not asked now (it limits the rate of requests): the first of its 3 keys may be used again "
            "in 13 s"
        )
        assert shop.pool.ready_in("glm") == 12.3
        assert shop.pool.ready_in("other") == 0.0
        shop.clock.advance(12.3)
        assert shop.answered() == "2"

    def test_back_off(self) -> None:
        """Without a word of the backend's the wait doubles with each refusal in a row, up to a minute."""
        shop, waits = Shop(({},)), []
        for _ in range(6):
            shop.failed(LIMITED)
            waits.append(shop.pool.ready_in("glm"))
            shop.clock.advance(waits[-1])
        assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
        shop.answered()
        shop.failed(LIMITED)
        assert shop.pool.ready_in("glm") == 5.0

    def test_ten_under_way(self) -> None:
        """Ten requests that are refused together count as one refusal, and make one line."""
        shop = Shop()
        uses = [shop.begin() for _ in range(10)]
        with capturedLogs() as events:
            for use in uses:
                use.failed(LIMITED, None)
        assert shop.pool.keys[0].under_way == 0
        shop.clock.advance(5)
        assert shop.answered() == "1"
        assert told(events) == [
            ("key_cooling", "key shop/1 is rate-limited by backend shop: not used for glm for 5.0 s")
        ]


class BillingTests:
    """402 cools a key for all models."""

    def test_all_models_for_five_minutes(self) -> None:
        """The account is empty whatever is asked; the log tells it once."""
        shop = Shop(({}, {}))
        uses = [shop.begin(), shop.begin("other")]
        with capturedLogs() as events:
            for use in uses:
                use.failed(UNPAID, None)
        assert (shop.answered(), shop.answered("other")) == ("2", "2")
        shop.clock.advance(299)
        assert shop.answered() == "2"
        shop.clock.advance(1)
        assert shop.answered() == "1"
        assert [event["log_level"] for event in events] == [LogLevel.warn]
        assert told(events)[0][1].startswith("key shop/1 has no credit left at backend shop: not used for 300 s; ")

    def test_only_key(self) -> None:
        """The client is told why and when."""
        shop = Shop(({},))
        shop.failed(UNPAID)
        error = shop.unavailable()
        assert isinstance(error, KeysCooling)
        assert error.retry_after == 300
        assert error.message == ("backend shop is not asked now (no credit left): its key may be used again in 300 s")


class RetiredTests:
    """A refused key is not used again."""

    def test_one_line_and_the_next_key(self) -> None:
        """The line names it and says what to do; ten requests under way make one."""
        shop = Shop()
        uses = [shop.begin() for _ in range(10)]
        with capturedLogs() as events:
            for use in uses:
                use.failed(REFUSED, None)
        assert [event["event"] for event in events] == ["key_retired"]
        assert formatEvent(events[0]) == (
            "backend shop refused key shop/1, line 1 of its api_key: it is not used any more. Put a valid key there "
            "and reload"
        )
        shop.clock.advance(100_000)
        assert shop.answered() == "2"

    def test_after_a_reload(self) -> None:
        """Somebody may have seen to it."""
        shop = Shop()
        shop.failed(REFUSED)
        shop.pool.revive()
        assert shop.answered() == "1"

    @pytest.mark.parametrize("count", [1, 3])
    def test_all_retired(self, count: int) -> None:
        """Where no other is left the backend is asked again after a minute: one mistake must not end its service."""
        shop = Shop(({},) * count)
        with capturedLogs() as events:
            for _ in range(count):
                shop.failed(REFUSED)
        assert told(events)[-1][1].endswith(
            "it is the only one, so it is tried again in 60 s. Put a valid key there and reload"
        )
        error = shop.unavailable()
        assert isinstance(error, UpstreamCredentialRefused)
        assert (error.status, error.should_retry) == (502, False)
        assert "backend shop has refused" in error.message
        assert shop.pool.ready_in("glm") == 60.0
        shop.clock.advance(59)
        assert shop.pool.ready_in("glm") == 1.0
        shop.clock.advance(1)
        assert shop.pool.ready_in("glm") == 0.0
        assert shop.answered() == ("1" if count > 1 else "backend")
        assert shop.pool.keys[0].retired is None

    def test_refused_once_more(self) -> None:
        """A key that is refused again after its minute has another one, and another line."""
        shop = Shop(({},))
        shop.failed(REFUSED)
        shop.clock.advance(60)
        with capturedLogs() as events:
            shop.failed(REFUSED)
        assert len(events) == 1
        assert shop.pool.ready_in("glm") == 60.0

    def test_others_cool(self) -> None:
        """Where some are retired and the rest cool, the client hears when the rest may be used."""
        shop = Shop(({}, {}))
        shop.failed(REFUSED)
        shop.failed(LIMITED, retry_after=80.0)
        error = shop.unavailable()
        assert (type(error), error.retry_after) == (KeysCooling, 80)
        assert shop.pool.ready_in("glm") == 80.0

    def test_an_old_answer_does_not_bring_it_back(self) -> None:
        """What was sent before the refusal says nothing about now."""
        shop = Shop()
        old = shop.begin()
        shop.clock.advance(1)
        shop.failed(REFUSED)
        old.succeeded(0)
        assert shop.answered() == "2"


class ForbiddenTests:
    """A key whose account may not use one model."""

    FORBIDDEN = UpstreamForbidden("no", should_retry=False)

    def test_other_models(self) -> None:
        """It is used for other models, and for this one again after a while: a client's wish ends nobody's service."""
        shop = Shop(({},))
        with capturedLogs() as events:
            shop.failed(self.FORBIDDEN, model="gpt")
        assert told(events) == [
            (
                "key_forbidden",
                "backend shop does not permit gpt with key shop: not used for that model for 5 s",
            )
        ]
        assert shop.answered("glm") == "backend"
        error = shop.unavailable("gpt")
        assert isinstance(error, UpstreamForbidden)
        assert (error.status, error.should_retry) == (502, False)
        assert error.message == "backend shop does not permit gpt with the key that the bridge has for it"
        shop.clock.advance(5)
        assert shop.answered("gpt") == "backend"

    def test_other_keys(self) -> None:
        """Another account may have the model; none of the keys is retired."""
        shop = Shop(({}, {}))
        assert [shop.failed(self.FORBIDDEN, model="gpt") for _ in range(2)] == ["1", "2"]
        assert shop.answered("glm") == "1"
        assert shop.pool.ready_in("gpt") == 5.0


class NothingLearnedTests:
    """Errors that say nothing about a key."""

    @pytest.mark.parametrize(
        "error",
        [
            InternalFault("x"),
            KeysCooling("x"),
            InvalidRequest("x"),
            UpstreamTimeout("x"),
            UpstreamCut("x"),
            UpstreamServerError("x"),
            UpstreamOverloaded("x"),
        ],
    )
    def test_key_stays(self, error: BridgeError) -> None:
        """The key is used again at once."""
        shop = Shop()
        with capturedLogs() as events:
            assert shop.failed(error, retry_after=9.0) == "1"
        assert shop.answered() == "1"
        assert shop.pool.keys[0].under_way == 0
        assert events == []

    def test_client_left(self) -> None:
        """Neither good nor bad."""
        shop = Shop()
        shop.begin().abandoned()
        assert shop.answered() == "1"
        assert shop.pool.keys[0].under_way == 0


class OwnLimitTests:
    """The rpm and tpm of a key are kept before the backend has to refuse."""

    def test_requests(self) -> None:
        """A full minute is left to the other keys; after that it is told when there is room."""
        shop = Shop(({"rpm": 2}, {"rpm": 1}))
        used = []
        for _ in range(3):
            used.append(shop.answered())
            shop.clock.advance(10)
        assert used == ["1", "1", "2"]
        error = shop.unavailable()
        assert (type(error), error.retry_after) == (KeysCooling, 30)
        assert "(the rpm or tpm of api_key is reached)" in error.message
        assert shop.pool.ready_in("glm") == 30.0
        shop.clock.advance(30)
        assert shop.answered() == "1"

    def test_requests_of_all_models(self) -> None:
        """The limit is that of the key."""
        shop = Shop(({"rpm": 1}, {}))
        assert (shop.answered("glm"), shop.answered("other")) == ("1", "2")

    def test_a_lease_that_is_not_used_does_not_count(self) -> None:
        """Only what is sent counts."""
        shop = Shop(({"rpm": 1},))
        shop.pool.take("glm")
        assert shop.answered() == "backend"

    def test_known_tokens(self) -> None:
        """The tokens of finished requests count; a failed one has none."""
        shop = Shop(({"tpm": 1000}, {}))
        shop.begin().failed(UpstreamServerError("x"), None)
        assert [shop.answered(tokens=600), shop.answered(tokens=600), shop.answered()] == ["1", "1", "2"]
        shop.clock.advance(60)
        assert shop.answered() == "1"

    def test_estimated_tokens(self) -> None:
        """A request counts with its estimate from its beginning to its end, then with what it took."""
        shop = Shop(({"tpm": 1000}, {}))
        first = shop.begin(tokens=700)
        assert (first.key.name, shop.begin(tokens=400).key.name) == ("shop/1", "shop/2")
        first.succeeded(100)
        assert shop.begin(tokens=400).key.name == "shop/1"

    @pytest.mark.parametrize(("how", "room"), [("succeeded", 400), ("abandoned", 400), ("failed", 1000)])
    def test_unknown_tokens(self, how: str, room: int) -> None:
        """Where nobody says what a request took the estimate counts on, unless it failed."""
        shop = Shop(({"tpm": 1000}, {}))
        use = shop.begin(tokens=600)
        ends = {"succeeded": lambda: use.succeeded(0), "abandoned": use.abandoned}
        ends.get(how, lambda: use.failed(UpstreamServerError("x"), None))()
        assert shop.begin(tokens=room).key.name == "shop/1"
        assert shop.begin(tokens=1).key.name == "shop/2"

    def test_larger_than_the_limit(self) -> None:
        """A request that alone is larger goes when nothing else does: else it never would."""
        shop = Shop(({"tpm": 1000},))
        large = shop.begin(tokens=5000)
        error = shop.unavailable(tokens=5000)
        assert (type(error), error.retry_after) == (KeysCooling, 1)
        large.succeeded(5000)
        assert shop.unavailable(tokens=1).retry_after == 60
        shop.clock.advance(60)
        assert shop.begin(tokens=5000).key.name == "backend"

    def test_counts_for_a_list_too(self) -> None:
        """A list of models is neither counted nor refused for it."""
        shop = Shop(({"rpm": 1},))
        for _ in range(3):
            assert shop.pool.for_list() == Secret("sk-0")
        assert shop.answered() == "backend"
        assert shop.pool.for_list() == Secret("sk-0")


class ForListTests:
    """Which key asks for a list of models."""

    @pytest.mark.parametrize(
        ("errors", "used"),
        [
            ((), "sk-0"),
            ((LIMITED,), "sk-0"),
            ((REFUSED,), "sk-1"),
            ((UNPAID,), "sk-1"),
            ((REFUSED, UNPAID), "sk-2"),
            ((REFUSED, REFUSED, REFUSED), "sk-0"),
        ],
    )
    def test_first_good_one(self, errors: tuple[BridgeError, ...], used: str) -> None:
        """The first that is not refused and has credit, so that the list keeps its key; if there is none, the first."""
        shop = Shop()
        for error in errors:
            shop.failed(error)
        assert shop.pool.for_list() == Secret(used)
