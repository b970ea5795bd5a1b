"""Sessions of the pages: how they end, by time and by whom, whatever two do at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import delete
from support.database import Clock, Location

from runatlas.errors import AuthenticationError, ConflictError, NotFoundError
from runatlas.server.schedule import Schedule
from runatlas.server.services.password import hash_password
from runatlas.server.services.services import Services
from runatlas.server.services.sessions import SESSION_MS, SESSIONS_MAX, OneTimePasswordError, Session
from runatlas.server.store.account import change_user, lock_user
from runatlas.server.store.installation import SECRET_NAME
from runatlas.server.store.schema import users
from runatlas.server.store.session import end_sessions

_HOUR_MS = 3600 * 1000
_DAY_MS = 24 * _HOUR_MS
_PASSWORD = "a password of ann's"


def _live(services: Services, *sessions: Session) -> list[bool]:
    return [services.sessions.authenticate(session.token) is not None for session in sessions]


def test_a_session_ends_with_its_time_without_use_and_under_no_clock_lasts_for_ever(location: Location) -> None:
    services, clock = location.services(), location.clock
    owner = services.owner()
    secret = services.accounts.create_key(owner).secret
    used, idle = services.sessions.begin(secret, "Firefox on Linux"), services.sessions.begin(secret)
    caller = services.sessions.authenticate(used.token)
    assert caller is not None
    assert caller == used.caller
    assert (caller.username, caller.is_owner, caller.is_root) == (owner.username, False, True)
    begun = clock.now_ms
    clock.advance(_HOUR_MS // 60)
    assert _live(services, used) == [True]
    assert {held.used_at_ms for held in services.sessions.list_sessions(caller)} == {begun}, "not with every request"
    for _ in range(29):
        clock.advance(_DAY_MS)
        assert _live(services, used) == [True]
        assert services.sessions.list_sessions(caller)[0].used_at_ms == clock.now_ms
    assert _live(services, idle) == [False]
    assert [held.browser for held in services.sessions.list_sessions(caller)] == ["Firefox on Linux"]
    clock.now_ms = begun + SESSION_MS - 1
    assert _live(services, used) == [True]
    clock.now_ms += 1
    assert _live(services, used) == [False]
    assert (services.sessions.forget_over(), services.sessions.forget_over()) == (2, 0)
    late = services.sessions.begin(secret)
    lives = []
    for _ in range(4):
        clock.advance(-9 * _DAY_MS)
        lives += _live(services, late)
    assert lives == [True, True, True, False], "a clock that goes back makes it last as long at the most"
    schedule = Schedule(services)
    schedule.start()
    schedule.close()
    assert services.sessions.forget_over() == 0, "the schedule removed it"
    services.close()


def test_what_somebody_signed_in_with_takes_its_sessions_along(location: Location) -> None:
    services = location.services()
    sessions, accounts, owner = services.sessions, services.accounts, services.owner()
    services.admin.create_user(owner, "ann")
    first, second = (accounts.create_key(owner, "ann") for _ in range(2))
    stranger = sessions.begin(accounts.create_key(owner).secret)
    by_first, by_second = sessions.begin(first.secret), sessions.begin(second.secret)
    accounts.revoke_key(owner, first.key.id)
    assert _live(services, by_first, by_second, stranger) == [False, True, True]
    with pytest.raises(AuthenticationError, match="revoked"):
        sessions.begin(first.secret)

    with services.store.write() as connection:
        change_user(connection, by_second.caller.user_id, {"password_hash": hash_password(_PASSWORD)})
    with pytest.raises(AuthenticationError):
        sessions.choose_password("ann", _PASSWORD, "taken over!")
    by_password = sessions.begin_with_password("ann", _PASSWORD)
    told = sessions.list_sessions(by_password.caller)
    assert {held.key_prefix for held in told} == {None, second.secret[:4]}
    accounts.change_password(by_password.caller, _PASSWORD, f"{_PASSWORD}!")
    assert _live(services, by_second, by_password, stranger) == [False, True, True]

    made = accounts.reset_password(owner, "ann")
    assert _live(services, by_password, stranger) == [False, True]
    location.clock.now_ms = made.expires_at_ms - 1
    with pytest.raises(OneTimePasswordError):
        sessions.begin_with_password("ann", made.password)
    by_second = sessions.begin(second.secret)
    chosen = sessions.choose_password("ann", made.password, _PASSWORD)
    assert _live(services, by_second, chosen) == [False, True]
    made = accounts.reset_password(owner, "ann")
    chosen = sessions.begin(second.secret)
    location.clock.now_ms = made.expires_at_ms
    with pytest.raises(AuthenticationError, match="no user of that name"):
        sessions.begin_with_password("ann", made.password)

    with services.store.write() as connection:
        connection.execute(delete(users).where(users.c.username == "ann"))
    assert _live(services, chosen, stranger) == [False, True]

    services.close()
    (services.store.directory / SECRET_NAME).unlink()
    opened = location.services()
    assert _live(opened, stranger) == [False], "nobody who writes rows has a session"
    opened.close()


def test_a_user_has_so_many_sessions_and_the_oldest_end(location: Location) -> None:
    services, clock = location.services(), location.clock
    secret = services.accounts.create_key(services.owner()).secret
    begun = []
    for _ in range(SESSIONS_MAX + 2):
        begun.append(services.sessions.begin(secret, "x" * 5000))
        clock.advance(1000)
    assert _live(services, *begun) == [False, False, *(True for _ in begun[2:])]
    clock.advance(-_HOUR_MS)
    newest = services.sessions.begin(secret)
    assert _live(services, newest, *begun[2:4]) == [True, False, True], "also where the clock went back"
    held = services.sessions.list_sessions(newest.caller)
    assert (len(held), max(len(one.browser) for one in held)) == (SESSIONS_MAX, 60)
    assert services.sessions.end_others(newest.caller) == SESSIONS_MAX - 1
    assert _live(services, newest, begun[-1]) == [True, False]
    services.close()


def test_sessions_are_ended_by_two_at_once(location: Location) -> None:
    one, other = location.services(), location.services()
    secret = one.accounts.create_key(one.owner()).secret
    one.admin.create_user(one.owner(), "bob")
    bob = one.sessions.begin(one.accounts.create_key(one.owner(), "bob").secret)
    ann = [one.sessions.begin(secret) for _ in range(6)]
    name = ann[0].caller.session_id
    assert name is not None
    with pytest.raises(NotFoundError):
        one.sessions.end(bob.caller, name)

    def end(services: Services) -> bool:
        try:
            services.sessions.end(ann[0].caller, name)
        except NotFoundError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(end, (one, other))) == [False, True]
        acts = [
            (services.sessions.end_others, session.caller) for services, session in ((one, ann[1]), (other, ann[2]))
        ]
        ended = list(pool.map(lambda act: act[0](act[1]), acts))
    assert (sum(ended), sum(_live(one, *ann))) == (5, 0), "each ended all but its own, and so the other's"
    assert _live(other, bob) == [True]
    other.close()
    one.close()


class _Interrupted(Clock):
    """Lets something happen when the time is asked for so many times."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.act: Callable[[], object] = int

    def __call__(self) -> int:
        self.left -= 1
        if self.left == 0:
            self.thread = threading.Thread(target=self.act)
            self.thread.start()
            self.thread.join(0.2)  # it may have to wait for who asks
        return super().__call__()


@pytest.mark.parametrize("by", ["key", "password"])
def test_nobody_is_in_with_what_was_taken_away_meanwhile(location: Location, by: str) -> None:
    clock = _Interrupted()
    services, other = Services.open(location.name, clock=clock, blobs_dir=location.blobs_dir), location.services()
    ann = other.owner()
    kept = hash_password(_PASSWORD)
    happened = 0

    def put(password_hash: str) -> None:
        with other.store.write() as connection:
            lock_user(connection, ann.user_id)
            change_user(connection, ann.user_id, {"password_hash": password_hash})
            end_sessions(connection, ann.user_id)

    for number in range(1, 20):
        key = other.accounts.create_key(ann)
        put(kept)
        clock.act = partial(other.accounts.revoke_key, ann, key.key.id) if by == "key" else partial(put, "another")
        clock.left = number
        begun = None
        with suppress(AuthenticationError, ConflictError):
            if by == "key":
                begun = services.sessions.begin(key.secret)
            else:
                begun = services.sessions.begin_with_password(ann.username, _PASSWORD)
        if clock.left > 0:
            break
        clock.thread.join()
        happened += 1
        assert begun is None or _live(other, begun) == [False], number
    assert happened >= 3
    other.close()
    services.close()
