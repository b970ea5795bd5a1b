from __future__ import annotations

import pytest
from support.password import own_hasher

from runatlas.server.services import password
from runatlas.server.services.password import hash_password, is_password

_PASSWORD = "a password of ann's"


def test_a_password_is_kept_as_what_takes_64_mib_and_three_passes_to_work_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "_hasher", own_hasher)
    kept = hash_password(_PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert is_password(_PASSWORD, kept)
    assert not is_password(_PASSWORD.upper(), kept)


def test_what_was_kept_by_other_costs_is_told_as_well() -> None:
    kept = own_hasher().hash(_PASSWORD)
    assert hash_password(_PASSWORD).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (is_password(_PASSWORD, kept), is_password(_PASSWORD, kept[:-1]), is_password("", kept)) == (True,) + 2 * (
        False,
    )
