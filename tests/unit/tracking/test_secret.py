from __future__ import annotations

import secrets
import string

import pytest

from runatlas.tracking.secret import MASK, mask_arguments, mask_environment, mask_text

NAMES = [
    "API_KEY",
    "WANDB_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "HFTOKEN",
    "DB_PASSWORD",
    "pgpasswd",
    "PGPASSWORD",
    "clientSecret",
    "apiKey",
    "SENTRY_DSN",
    "MY_CREDENTIALS",
    "AUTH",
    "SESSION",
    "SSH_KEY",
    "STRIPE_KEYS",
    "NPM_TOKEN",
    "PRIVATE_KEY",
    "privatekey",
    "GH_PAT",
    "MYSQL_PWD",
    "CONNECTION_STRING",
    "SLACK_WEBHOOK",
]
HARMLESS = {
    "PATH": "/usr/bin:/bin",
    "PWD": "/home/ann/project",
    "TOKENIZERS_PARALLELISM": "false",
    "MAX_TOKENS": "512",
    "NUM_KEYS": "8",
    "KEYBOARD": "us",
    "MONKEY": "abc",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "GIT_COMMIT": "8a2b0c4d6e8f8a2b0c4d6e8f8a2b0c4d6e8f8a2b",
    "LD_LIBRARY_PATH": "/usr/local/cuda-12.4/lib64:/usr/lib/x86_64-linux-gnu",
    "LANG": "en_US.UTF-8",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_of_a_secret_name_is_masked(name: str) -> None:
    assert mask_environment({name: "hunter two"}) == {name: MASK}
    assert mask_arguments(["x.py", f"--{name}", "hunter2"]) == ["x.py", f"--{name}", MASK]
    assert mask_arguments(["x.py", f"--{name}=hunter2"]) == ["x.py", f"--{name}={MASK}"]
    assert mask_arguments([f"{name}=hunter2"]) == [f"{name}={MASK}"]


def test_what_is_harmless_stays() -> None:
    assert mask_environment(HARMLESS) == HARMLESS
    command = ["train.py", "--lr=0.1", "--tokenizer", "gpt2", "--max-tokens", "512", "--key-dim=64", "-v", "data/train"]
    assert mask_arguments(command) == command


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 8,
        "hf_" + "aBcD" * 9,
        "sk-proj-" + "a1B2" * 8,
        "xoxb-1234567890-abcdef",
        "AIza" + "a1B2" * 9,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_known_by_its_shape(secret: str) -> None:
    for text in (secret, f"before {secret} after", f'{{"a": "{secret}"}}'):
        masked = mask_text(text)
        assert secret not in masked
        assert MASK in masked
    assert secret not in mask_environment({"NOTE": f"x {secret}"})["NOTE"]
    assert secret not in " ".join(mask_arguments(["train.py", secret, f"--note={secret}"]))


def test_users_in_urls_and_long_random_words_are_masked() -> None:
    assert mask_text("postgresql://ann:hunter2@db:5432/x") == f"postgresql://{MASK}@db:5432/x"
    assert mask_text("https://token@github.com/a/b.git") == f"https://{MASK}@github.com/a/b.git"
    random = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(60)) + "aB3"
    assert mask_text(f"value {random}") == f"value {MASK}"
