"""The seal holds: no test reaches the person who runs it, or the network."""

import os
import socket
import subprocess
from pathlib import Path

import pytest


def test_home_is_empty_and_elsewhere(tmp_path: Path) -> None:
    assert Path.home() == tmp_path / "home"
    assert sorted(p.name for p in Path.home().iterdir()) == [".gitconfig"]


def test_no_credentials_are_left() -> None:
    left = [n for n in os.environ if n.startswith(("AWS_", "R2_")) and "CREDENTIALS_FILE" not in n]
    assert sorted(left) == ["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED"]


def test_git_knows_the_author_of_the_seal_alone() -> None:
    out = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=True).stdout
    assert out == "author@example.org\n"


def test_connections_elsewhere_fail() -> None:
    with socket.socket() as client, pytest.raises(AssertionError, match="connects to"):
        client.connect(("192.0.2.1", 80))
