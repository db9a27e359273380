"""`git data verify --policies`: what the documents allow, asked by real requests and by an evaluator."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from git_datamanager.errors import SettingsError
from git_datamanager.manager import DataManager
from git_datamanager.model.roles import ROLES
from git_datamanager.ops.rights import iam as policies_iam
from git_datamanager.ops.rights import policies
from git_datamanager.ops.rights import r2 as policies_r2
from git_datamanager.ops.rights.policies import Place, Project, project
from git_datamanager.ops.rights.verify import NEEDS, verify
from tests.iamproxy import IamProxy, allows, may_list
from tests.storage.fakes3 import FakeS3
from tests.world import Clone, World, new_world

HEX = "6d60f003a0d96b8a3a4b39b0f2f6ee5e5e4cfd16c6b5f90c8d7c9f4d35d4a7f1"
NAMES = {
    "object": f"objects/6d/{HEX}",
    "pack": f"packs/6d/{HEX}",
    "trash": f"trash/6d/{HEX}",
    "swept": f"trash/objects/6d/{HEX}",
    "receipt": "receipts/01JZ0000000000000000000000.json",
    "audit": "audit/01JZ.json",
    "repos": "repos/lab.json",
    "lease": "lease",
    "lease-gc": "lease-gc",
    "probe": "probe/1/twice",
    "collection": "collections/energy/LATEST",
    "master": "masters/energy.json",
    "stranger": "somebody/elses",
    "lookalike": "leases",
}
# What each role may do: g(et) p(ut) d(elete) l(ist), per store and kind of key; the rest is forbidden.
# Written by hand, beside the table in model/roles.py: a change there has to be meant.
_READS = dict.fromkeys(["object", "pack", "trash", "swept", "receipt", "collection", "master"], "g")
_ALL = dict.fromkeys(NAMES, "gl")
MAY: dict[str, dict[str, dict[str, str]]] = {
    "reader": {"staging": {}, "production": _READS},
    "developer": {
        "staging": {"object": "gpl", "pack": "gpl", "probe": "gpl", "trash": "gl", "swept": "gl"},
        "production": _READS,
    },
    "preview": {
        "staging": {"object": "gl", "pack": "gl"},
        "production": {"object": "gl", "pack": "gl", "receipt": "gl"},
    },
    "publish": {
        "staging": {"object": "gl", "pack": "gl", "trash": "gl", "swept": "gl"},
        "production": {
            "trash": "gl", "swept": "gl",
            **dict.fromkeys(["object", "pack", "receipt", "audit", "repos", "lease"], "gpl"),
        },
    },
    "cleanup": {
        "staging": {
            **_ALL, "object": "gdl", "pack": "gdl", "trash": "gpdl", "swept": "gpdl", "probe": "gdl",
            "lease-gc": "gpl",
        },
        "production": dict.fromkeys(["object", "pack", "trash", "swept", "repos"], "gl"),
    },
    "gc": {
        "staging": {},
        "production": {
            **_ALL, "object": "gdl", "pack": "gdl", "trash": "gpdl", "swept": "gpdl", "probe": "gdl",
            "audit": "gpl", "lease-gc": "gpl",
        },
    },
}  # fmt: skip
PLACES = [Place("staging", "lab-staging", "data/"), Place("production", "lab-production", "data/")]
ACTIONS = {"g": "s3:GetObject", "p": "s3:PutObject", "d": "s3:DeleteObject"}
HOME = Project("github.com", "lab/energy", is_known=True)


def documents(where: list[Place]) -> dict[str, dict[str, Any]]:
    return {role.name: policies_iam.document(role, where) for role in ROLES}


def table() -> Iterator[tuple[str, str, str, str, bool]]:
    for role, store, kind, verb in itertools.product(MAY, ("staging", "production"), NAMES, "gpdl"):
        yield role, store, kind, verb, verb in MAY[role][store].get(kind, "")


def test_the_roles_are_those_that_are_measured() -> None:
    assert [role.name for role in ROLES] == list(MAY) == list(NEEDS)


@pytest.mark.parametrize("where", [PLACES, [Place("staging", "lab", "s/"), Place("production", "lab", "p/")]])
def test_the_table_of_requests(where: list[Place]) -> None:
    made = documents(where)
    place = {p.store: p for p in where}
    wrong = []
    for role, store, kind, verb, expected in table():
        bucket, key = place[store].bucket, place[store].prefix + NAMES[kind]
        answer = (
            may_list(made[role], bucket, key)
            if verb == "l"
            else allows(made[role], ACTIONS[verb], f"arn:aws:s3:::{bucket}/{key}")
        )
        if answer is not expected:
            wrong.append((role, store, kind, verb, expected))
    assert wrong == []


def test_nothing_outside_the_prefix_and_no_rights_on_buckets() -> None:
    for role, document in documents(PLACES).items():
        text = json.dumps(document)
        for place in PLACES:
            for action, kind in itertools.product(ACTIONS.values(), NAMES):
                for outside in (NAMES[kind], f"data2/{NAMES[kind]}", f"other/data/{NAMES[kind]}"):
                    assert not allows(document, action, f"arn:aws:s3:::{place.bucket}/{outside}"), role
            assert not may_list(document, place.bucket, "")
        actions = {a for s in document["Statement"] for a in s["Action"]}
        assert actions <= {
            *ACTIONS.values(), "s3:ListBucket", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload",
        }, role  # fmt: skip
        assert "s3:*" not in text
        assert '"*"' not in text


def test_they_fit_into_a_managed_policy() -> None:
    """AWS counts 6144 characters without blanks; bucket names have up to 63, prefixes may be long."""
    where = [Place("staging", "s" * 63, "a/long/prefix/"), Place("production", "p" * 63, "a/long/prefix/")]
    for role, document in documents(where).items():
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144, role
        sids = [s["Sid"] for s in document["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)


@pytest.mark.slow
def test_a_server_with_iam_answers_the_same() -> None:
    """moto with authentication: users with these policies send the requests. It knows no s3:prefix, so
    what is listed is left to the evaluator."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        clients = {role: _user(url, role, document) for role, document in documents(PLACES).items()}
        owner = _client(url, "s3", "owner", "owner")
        for place in PLACES:
            owner.create_bucket(Bucket=place.bucket)
            for key in NAMES.values():
                owner.put_object(Bucket=place.bucket, Key=place.prefix + key, Body=b"there")
        requests.post(f"{url}/moto-api/reset-auth", data=b"0", timeout=10)
        wrong = [row for row in table() if row[3] != "l" and _ask(clients[row[0]], *row[1:4]) is not row[4]]
        assert wrong == []
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            owner.get_object(Bucket=PLACES[0].bucket, Key=PLACES[0].prefix + "lease")
    finally:
        requests.post(f"{url}/moto-api/reset-auth", data=b"inf", timeout=10)
        server.stop()


def _client(url: str, service: str, key: str, secret: str) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key,
        aws_secret_access_key=secret, config=Config(request_checksum_calculation="when_required"),
    )  # fmt: skip


def _user(url: str, role: str, document: dict[str, Any]) -> Any:
    iam = _client(url, "iam", "owner", "owner")
    iam.create_user(UserName=role)
    iam.put_user_policy(UserName=role, PolicyName="git-data", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=role)["AccessKey"]
    return _client(url, "s3", made["AccessKeyId"], made["SecretAccessKey"])


def _ask(client: Any, store: str, kind: str, verb: str) -> bool:
    place = PLACES[store == "production"]
    at = {"Bucket": place.bucket, "Key": place.prefix + NAMES[kind]}
    try:
        if verb == "g":
            client.get_object(**at)["Body"].close()
        elif verb == "p":
            client.put_object(**at, Body=b"there")
        else:
            client.delete_object(**at)
            # An object has to be there for the next question about it.
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return True  # allowed to look for what another role was allowed to delete
        assert error.response["Error"]["Code"] == "AccessDenied", error
        return False
    return True


# Trust: whose tokens may take a role


def admits(trust: dict[str, Any], token: dict[str, str]) -> bool:
    """AWS's StringEquals on the claims of a token: letter by letter; a missing claim matches nothing."""
    (statement,) = trust["Statement"]
    issuer = statement["Principal"]["Federated"].partition("oidc-provider/")[2]
    assert set(statement["Condition"]) == {"StringEquals"}
    if token.get("iss") != f"https://{issuer}":
        return False
    wanted = statement["Condition"]["StringEquals"]
    return all(token.get(name.removeprefix(f"{issuer}:")) == value for name, value in wanted.items())


GOOD = {
    "iss": "https://token.actions.githubusercontent.com",
    "aud": "sts.amazonaws.com",
    "sub": "repo:lab/energy:environment:data-production",
}
FORGED = {
    "another repository": {"sub": "repo:lab/other:environment:data-production"},
    "a fork": {"sub": "repo:mallory/energy:environment:data-production"},
    "another environment": {"sub": "repo:lab/energy:environment:preview"},
    "a branch without the environment": {"sub": "repo:lab/energy:ref:refs/heads/main"},
    "another branch": {"sub": "repo:lab/energy:ref:refs/heads/data-production"},
    "a pull request": {"sub": "repo:lab/energy:pull_request"},
    "no audience": {"aud": ""},
    "another audience": {"aud": "https://github.com/lab"},
    "a name with a star": {"sub": "repo:*/energy:environment:data-production"},
    "other letters": {"sub": "repo:Lab/Energy:environment:Data-Production"},
    "a longer name": {"sub": "repo:lab/energy:environment:data-production-2"},
    "another issuer": {"iss": "https://gitlab.com"},
}


def test_the_trust_policy_admits_the_environment_of_this_repository_alone() -> None:
    """S32."""
    trusts = {r.name: policies_iam.trust(r, HOME) for r in ROLES if r.environment}
    assert set(trusts) == {"preview", "publish", "cleanup", "gc"}
    assert [name for name, trust in trusts.items() if admits(trust, GOOD)] == ["publish"]
    for what, claims in FORGED.items():
        assert not admits(trusts["publish"], GOOD | claims), what
    missing = {k: v for k, v in GOOD.items() if k != "aud"}
    assert not admits(trusts["publish"], missing)
    assert "StringLike" not in json.dumps(trusts)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://github.com/lab/energy.git", "github.com", "lab/energy"),
        ("https://token@github.com/lab/energy", "github.com", "lab/energy"),
        ("git@github.com:lab/energy.git", "github.com", "lab/energy"),
        ("ssh://git@github.com:22/lab/energy", "github.com", "lab/energy"),
        ("https://gitlab.example.org/group/sub/energy.git", "gitlab.example.org", "group/sub/energy"),
        ("../origin.git", "github.com", "OWNER/REPO"),
        ("/srv/git/energy.git", "github.com", "OWNER/REPO"),
        ("C:/srv/energy.git", "github.com", "OWNER/REPO"),
        ("https://github.com/lab/energy*:environment:x", "github.com", "OWNER/REPO"),
        (None, "github.com", "OWNER/REPO"),
    ],
)
def test_the_repository_behind_a_remote(url: str | None, host: str, path: str) -> None:
    found = project(url)
    assert (found.host, found.path) == (host, path)
    assert found.is_known is (path != "OWNER/REPO")


# R2, and the command


def test_r2_says_what_it_cannot_express() -> None:
    made = policies.render(PLACES, HOME, "r2", ROLES)
    tokens = {item.role.name: item.steps for item in made.roles}
    assert "Object Read only" in tokens["reader"][0]
    assert any("Read & Write" in step and "lab-production" in step for step in tokens["publish"])
    assert any("deletes everything in production" in step for step in tokens["publish"])
    assert all(item.policy is None for item in made.roles)
    assert any("no bucket policies" in note for note in made.notes)
    locks = [step for advice in made.buckets for step in advice.steps]
    assert any("--prefix data/receipts/ --retention-indefinite" in step for step in locks)
    assert not any("trash" in step or "lease" in step or "lab-staging" in step for step in locks)
    shared = [Place("staging", "lab", "s/"), Place("production", "lab", "p/")]
    assert "Use two buckets" in policies_r2.notes(shared)[0]


def test_lifecycle_rules_remove_no_object_by_its_age() -> None:
    rules = policies_iam.lifecycle(PLACES)["Rules"]
    assert all("Days" not in rule.get("Expiration", {}) for rule in rules)
    assert {r["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] for r in rules[::2]} == {7}
    assert len({r["ID"] for r in rules}) == len(rules)


def test_a_folder_has_no_policies(world: World) -> None:
    ana = world.found("ana")
    done = ana.data("verify", "--policies", "aws", code=128)
    assert "no bucket" in done.err
    assert "hint: git config data.remote.staging.url s3://" in done.err
    with pytest.raises(SettingsError):
        policies.policies(DataManager.open(ana.path), "aws")


def test_the_command(world: World) -> None:
    ana = world.found("ana")
    ana.git("config", "data.remote.staging.url", "s3://lab-staging/data")
    ana.git("config", "data.remote.production.url", "s3://lab-production/data?region=us-gov-west-1")
    ana.git("remote", "set-url", "origin", "git@github.com:lab/energy.git")
    one = ana.json("verify", "--policies", "aws", "--role", "publisher")
    assert [item["role"] for item in one["roles"]] == ["publish"]
    (role,) = one["roles"]
    assert "arn:aws-us-gov:s3:::lab-production/data/lease" in json.dumps(role["policy"])
    assert admits(role["trust"], GOOD)
    text = ana.data("verify", "--policies", "minio").out
    assert "Role cleanup" in text
    assert "mc admin policy create" in text
    assert "AssumeRole" not in text
    documents_in = [json.loads(part) for part in _json_parts(text)]
    assert len(documents_in) == len(ROLES) + 2
    assert "wrangler r2 bucket lock add" in ana.data("verify", "--policies", "r2").out
    ana.data("verify", "--role", "nobody", code=129)


def _json_parts(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith(("{", "}", " "))]
    return [part + "}" for part in "\n".join(lines).split("\n}")][:-1]


# The roles at work


class Lab(NamedTuple):
    """Two buckets of a strict server behind the policies: who has the key ROLE has that role's policy."""

    world: World
    server: FakeS3
    proxy: IamProxy
    buckets: dict[str, str]

    def keys(self, store: str, below: str) -> set[str]:
        start = f"data/{below}"
        return {key for key in self.server.objects(self.buckets[store]) if key.startswith(start)}

    def age(self, days: float) -> None:
        """Let everything in the stores be older."""
        for bucket in self.buckets.values():
            for key in self.server.objects(bucket):
                versions = self.server.bucket(bucket).versions[key]
                versions[-1] = replace(versions[-1], modified=versions[-1].modified - days * 86400)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with FakeS3() as server, IamProxy(server.url, documents(PLACES)) as proxy:
        for role in MAY:
            server.grant(role)
        for place in PLACES:
            server.create_bucket(place.bucket)
        staging, production = (f"s3://{p.bucket}/data?endpoint={proxy.url}" for p in PLACES)
        world = new_world(tmp_path / "lab", staging=staging, production=production)
        yield Lab(world, server, proxy, {p.store: p.bucket for p in PLACES})


def acting(clone: Clone, role: str) -> Clone:
    return Clone(clone.path, {**clone.env, "AWS_ACCESS_KEY_ID": role, "AWS_SECRET_ACCESS_KEY": "secret"})


@pytest.mark.slow
def test_each_role_measures_no_lack_and_nothing_unwanted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = lab.world.found("ana")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for role in NEEDS:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", role)
        found = verify(DataManager.open(ana.path), role=role)
        assert found.unreachable == []
        assert [f for f in found.findings if f.is_lacking or f.unwanted] == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    lacking = [f for f in verify(DataManager.open(ana.path), role="developer").findings if f.is_lacking]
    assert ("staging", "write") in [(f.store, f.right) for f in lacking]


@pytest.mark.slow
def test_each_role_can_do_its_work(lab: Lab) -> None:
    """add, publish, pull: each with the rights of its role and no others."""
    world = lab.world
    ana = acting(world.found("ana"), "developer")
    ana.write("b.csv", "b.csv")
    ana.data("add", "b.csv")
    ana.commit("b")
    ana.git("push", "-q")
    world.publish(acting(ana, "publish"))
    reader = acting(world.clone("reader"), "reader")
    reader.data("pull")
    assert reader.read("b.csv") == b"b.csv"
    stores = reader.json("verify", "--role", "reader")["stores"]
    assert ("production", "read", "allowed") in [(s["store"], s["right"], s["answer"]) for s in stores]
    assert lab.proxy.refused, "nothing was ever refused: is the proxy in the way at all?"


@pytest.mark.nightly
def test_the_deleting_roles_can_do_their_work(lab: Lab) -> None:
    world = lab.world
    ana = acting(world.found("ana"), "developer")
    for name in ("a.csv", "b.csv"):
        ana.write(name, name)
        ana.data("add", name)
    ana.commit("two")
    ana.git("push", "-q")
    world.publish(acting(ana, "publish"))
    ana.git("pull", "-q")
    ana.data("delete", "a.csv", "--yes")
    ana.commit("delete")
    ana.git("push", "-q")
    world.publish(acting(ana, "publish"))
    ana.git("pull", "-q")
    ana.git("fetch", "-q")
    lab.age(40)
    assert len(lab.keys("production", "objects/")) == 2
    acting(ana, "developer").data("gc", "--apply", "--confirm", "1", code=4)
    acting(ana, "publish").data("gc", "--apply", "--confirm", "1", code=4)
    gc = acting(ana, "gc")
    gc.data("gc", "--apply", "--confirm", "1")
    assert len(lab.keys("production", "objects/")) == 1
    assert len(lab.keys("production", "trash/")) == 1
    lab.age(40)
    gc.data("gc", "--apply", "--purge", "--confirm", "1")
    assert lab.keys("production", "trash/") == set()
    stray = b"nobody names it"
    digest = hashlib.sha256(stray).hexdigest()
    lab.server.put(lab.buckets["staging"], f"data/objects/{digest[:2]}/{digest}", stray)
    lab.age(40)
    acting(ana, "gc").data("cleanup", "--apply", "--confirm", "1", code=4)
    cleanup = acting(ana, "cleanup")
    cleanup.data("cleanup", "--apply", "--confirm", "1")
    assert lab.keys("staging", "trash/") == {f"data/trash/objects/{digest[:2]}/{digest}"}
    lab.age(40)
    cleanup.data("cleanup", "--apply", "--confirm", "1")
    assert lab.keys("staging", "trash/") == set()
    assert len(lab.keys("staging", "objects/")) == 2, "published a moment ago"


@pytest.mark.slow
def test_a_reader_finds_what_lies_in_the_trash(lab: Lab) -> None:
    """The store tells a reader 403 of what is missing under objects/."""
    world = lab.world
    ana = acting(world.found("ana"), "developer")
    ana.write("a.csv", "one")
    ana.data("add", "a.csv")
    ana.commit("one")
    ana.git("push", "-q")
    world.publish(acting(ana, "publish"))
    (key,) = lab.keys("production", "objects/")
    lab.server.put(lab.buckets["production"], key.replace("objects/", "trash/"), b"one")
    lab.server.remove(lab.buckets["production"], key)
    reader = acting(world.clone("reader"), "reader")
    reader.data("pull")
    assert reader.read("a.csv") == b"one"
