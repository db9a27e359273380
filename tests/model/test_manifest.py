import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_datamanager.errors import ManifestError, NameRefused, UnknownDataset, UnknownVersion
from git_datamanager.model import fields, options
from git_datamanager.model.manifest import (
    Dataset,
    DatasetState,
    Kind,
    Manifest,
    State,
    Version,
    dumps,
    loads,
    parse_number,
)
from git_datamanager.model.oid import EMPTY, Oid
from tests.model.strategies import manifests

GOLDEN = Path(__file__).parent.parent / "golden"
CANONICAL = ["manifest-empty.json", "manifest-full.json", "manifest-unknown-keys.json"]
SCHEMA = json.loads(resources.files("git_datamanager.model").joinpath("manifest.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ID = "01M7W2Y7M03W9V0E6Y7QZ2M8RC"
ID2 = "01M7W2Y7M03W9V0E6Y7QZ2M8RD"
VERSION: dict[str, Any] = {
    "version": "v1",
    "id": ID,
    "state": "pending",
    "oid": str(Oid.of(b"test")),
    "size": 4,
    "created": "2026-11-20T09:00:00Z",
    "author": "A",
}
MINIMAL: dict[str, Any] = {
    "format": "git-data/manifest/1",
    "datasets": {"a.csv": {"kind": "file", "versions": [VERSION]}},
}


def read(value: object) -> Manifest:
    return loads(json.dumps(value).encode())


# One encoding


@pytest.mark.parametrize("name", CANONICAL)
def test_golden_bytes(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    assert dumps(loads(data)) == data


def test_golden_values() -> None:
    manifest = loads((GOLDEN / "manifest-full.json").read_bytes())
    energy = manifest.dataset("data/energy.sqlite")
    assert [v.name for v in energy.versions] == ["v4", "v3", "v2", "v1"]
    assert energy.latest is energy.versions[0]
    assert energy.versions[0].rollback_of == energy.versions[2].id
    assert energy.options["key"] == ["region", "year"]
    assert list(energy.versions[1].encodings.values()) == [77012, 401220]
    assert [d.name for d in manifest.listed()] == ["data/energy.sqlite"]
    assert manifest.dataset("photos").kind is Kind.TREE
    assert manifest.dataset("data/old.csv").state is DatasetState.DELETED
    assert manifest.dataset("data/old.csv").latest is None
    empty = manifest.dataset("Zeitreihen/été 日本.csv").versions[0]
    assert (empty.oid, empty.size, empty.commit) == (EMPTY, 0, None)


def test_what_is_not_canonical_is_accepted_and_rewritten() -> None:
    loose = loads((GOLDEN / "manifest-noncanonical.json").read_bytes())
    assert dumps(loose) == (GOLDEN / "manifest-unknown-keys.json").read_bytes()
    windows = (GOLDEN / "manifest-full.json").read_bytes().replace(b"\n", b"\r\n")
    assert dumps(loads(windows)) == (GOLDEN / "manifest-full.json").read_bytes()


@given(manifests())
def test_round_trip_of_values_and_bytes(manifest: Manifest) -> None:
    data = dumps(manifest)
    assert loads(data) == manifest
    assert dumps(loads(data)) == data
    assert list(loads(data).datasets) == sorted(manifest.datasets, key=str.encode)
    VALIDATOR.validate(json.loads(data))


@given(manifests(), st.randoms())
def test_order_of_keys_and_versions_does_not_count(manifest: Manifest, random: Any) -> None:
    def shuffled(value: Any, *, versions: bool = False) -> Any:
        if isinstance(value, dict):
            items = [(k, shuffled(v, versions=k == "versions")) for k, v in value.items()]
            random.shuffle(items)
            return dict(items)
        if isinstance(value, list) and versions and all(isinstance(v, dict) and "oid" in v for v in value):
            return random.sample([shuffled(v) for v in value], len(value))
        return value

    data = dumps(manifest)
    assert dumps(read(shuffled(json.loads(data)))) == data


def test_unknown_keys_survive_at_every_level() -> None:
    manifest = loads((GOLDEN / "manifest-unknown-keys.json").read_bytes())
    assert set(manifest.extra) == {"generator", "zone"}
    dataset = manifest.dataset("a.csv")
    assert dataset.extra == {"owner": "team-a"}
    assert dataset.options["licence"] == "CC0-1.0"
    assert set(dataset.versions[0].extra) == {"rows", "schema"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(read(MINIMAL).dataset("a.csv").versions[0], extra={"size": 5}),
        lambda: Dataset(name="a", kind=Kind.FILE, extra={"versions": []}),
        lambda: Manifest({}, {"format": "git-data/manifest/2"}),
    ],
)
def test_known_keys_do_not_hide_among_the_unknown(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="known keys"):
        make()


# What is refused. The last column: whether a JSON schema can say it, too.


def change(*path: Any, to: Any = None, drop: bool = False) -> Any:
    value: Any = copy.deepcopy(MINIMAL)
    item = value
    for step in path[:-1]:
        item = item[step]
    if drop:
        del item[path[-1]]
    else:
        item[path[-1]] = to
    return value


D = ("datasets", "a.csv")
V = (*D, "versions", 0)


OTHER = {"kind": "file", "versions": []}


def two(**other: Any) -> Any:
    return change(*D, "versions", to=[VERSION, VERSION | {"version": "v2", "id": ID2} | other])


INVALID: list[tuple[Any, str, bool]] = [
    ([], "is not an object", True),
    (None, "is not an object", True),
    ({}, "not a manifest of git data", True),
    ([{"fileName": "a"}], "is not an object", True),
    (change("format", to="git-data/manifest/2"), "newer git-datamanager", True),
    (change("format", to="git-data/manifest/\x1b[31m"), "newer git-datamanager", True),
    (change("format", to=1), "not a manifest", True),
    (change("format", drop=True), "not a manifest", True),
    (change("datasets", drop=True), "datasets is not an object", True),
    (change("datasets", to=[]), "datasets is not an object", True),
    (change(*D, to=None), "a.csv is not an object", True),
    (change("datasets", "../x", to=OTHER), "component", True),
    (change("datasets", "a//b", to=OTHER), "empty folder", True),
    (change("datasets", "/a", to=OTHER), "absolute", True),
    (change("datasets", "a\\b", to=OTHER), "backslash", True),
    (change("datasets", "a:b", to=OTHER), "absolute", True),
    (change("datasets", "x.csv:stream", to=OTHER), "colon", True),
    (change("datasets", "x/.Git/config", to=OTHER), "belongs", True),
    (change("datasets", ".GITMODULES", to=OTHER), "belongs", True),
    (change("datasets", "manifest.json", to=OTHER), "belongs", True),
    (change("datasets", "sub/NUL.csv", to=OTHER), "device", True),
    (change("datasets", "a.", to=OTHER), "ends with", True),
    (change("datasets", ".git-data-x", to=OTHER), "temporary", True),
    (change("datasets", "\x1b]8;;x", to=OTHER), "control", True),
    (change("datasets", "\u202ea", to=OTHER), "reverses", True),
    (change("datasets", "a" * 201, to=OTHER), "longer", True),
    (change("datasets", "", to=OTHER), "empty", True),
    (change("datasets", ".g\u200cit", to=OTHER), "belongs", False),
    (change("datasets", "git~1", to=OTHER), "belongs", False),
    (change("datasets", "A.csv", to=OTHER), "the same file", False),
    (change("datasets", "a.csv/b", to=OTHER), "inside the dataset", False),
    (change(*D, "kind", drop=True), "kind is 'None', not one of file, tree", True),
    (change(*D, "kind", to="folder"), "kind is 'folder'", True),
    (change(*D, "kind", to=[]), "kind is", True),
    (change(*D, "state", to="published"), "state is 'published'", True),
    (change(*D, "state", to=None), "state is 'None'", True),
    (change(*D, "versions", drop=True), "versions is not a list", True),
    (change(*D, "versions", to=OTHER), "versions is not a list", True),
    (change(*D, "options", to=[]), "options is not an object", True),
    (change(*D, "options", to={"key": "id"}), "key is not a list of strings", True),
    (change(*D, "options", to={"tags": [1]}), "tags is not a list of strings", True),
    (change(*D, "options", to={"title": None}), "title is not a string", True),
    (change(*D, "options", to={"max_diff_rows": True}), "max_diff_rows is not an integer", True),
    (change(*D, "options", to={"max_diff_rows": -1}), "max_diff_rows is negative", True),
    (change(*D, "options", to={"encoding": "gzip"}), "encoding is not one of", True),
    (change(*V, to="v1"), "a version is not an object", True),
    (change(*V, "version", to=1), "version is missing or not a string", True),
    (change(*V, "version", to="v0"), "not a version number", True),
    (change(*V, "version", to="v01"), "not a version number", True),
    (change(*V, "version", to="v1234567890"), "not a version number", True),
    (change(*V, "version", to="v\u0661"), "not a version number", True),
    (change(*V, "id", drop=True), "id is missing", True),
    (change(*V, "id", to="../../../../../../../lease"), "not a ULID", True),
    (change(*V, "id", to=ID.lower()), "not a ULID", True),
    (change(*V, "id", to=ID + "\n"), "not a ULID", False),  # Python's re takes $ before a line feed
    (change(*V, "state", to="live"), "state is 'live'", True),
    (change(*V, "state", drop=True), "state is 'None'", True),
    (change(*V, "state", to="published"), "without the time 'published'", True),
    (change(*V, "state", to="deleting"), "without the time 'deleting'", True),
    (change(*V, "state", to="deleted"), "without the time 'deleted'", True),
    (change(*V, "oid", drop=True), "oid is missing", True),
    (change(*V, "oid", to="sha256:" + "A" * 64), "not 64 lower-case", True),
    (change(*V, "oid", to="md5:" + "a" * 32), "not a sha256", True),
    (change(*V, "oid", to=str(EMPTY)), "contradict", True),
    (change(*V, "size", to=0), "contradict", True),
    (change(*V, "size", to=-1), "not a number of bytes", True),
    (change(*V, "size", to=True), "not a number of bytes", True),
    (change(*V, "size", to="4"), "not a number of bytes", True),
    (change(*V, "size", drop=True), "not a number of bytes", True),
    (change(*V, "size", to=4.5), "not an integer", True),
    (change(*V, "size", to=2**63), "too large", True),
    (change(*V, "created", to="yesterday"), "not a UTC time", True),
    (change(*V, "created", to="2026-11-20T09:00:00+00:00"), "not a UTC time", True),
    (change(*V, "created", to="2026-11-20T09:00:00.5Z"), "not a UTC time", True),
    (change(*V, "created", to="2026-11-20T24:00:00Z"), "not a UTC time", True),
    (change(*V, "created", to="2026-13-20T09:00:00Z"), "not a UTC time", True),
    (change(*V, "created", to="2026-02-29T09:00:00Z"), "no such day", False),
    (change(*V, "created", to="2100-02-29T09:00:00Z"), "no such day", False),
    (change(*V, "created", to="2026-11-31T09:00:00Z"), "no such day", False),
    (change(*V, "created", to="2026-11-00T09:00:00Z"), "no such day", True),
    (change(*V, "author", to=None), "author is missing", True),
    (change(*V, "author", drop=True), "author is missing", True),
    (change(*V, "message", to=None), "message is missing", True),
    (change(*V, "parent", to="v1"), "parent: not a ULID", True),
    (change(*V, "rollback_of", to=None), "rollback_of is missing", True),
    (change(*V, "encodings", to=[]), "encodings is not an object", True),
    (change(*V, "encodings", to={"gzip": 1}), "encoding 'gzip'", True),
    (change(*V, "encodings", to={"identity": 4}), "no encoding to list", True),
    (change(*V, "encodings", to={"delta:v1": 1}), "not a sha256 id", True),
    (change(*V, "encodings", to={"delta": 1}), "a delta has a base", True),
    (change(*V, "encodings", to={"zstd": None}), "'zstd' is not a number of bytes", True),
    (change(*V, "published", to="now"), "published: not a UTC time", True),
    (change(*V, "commit", to="a621125f"), "not a full commit", True),
    (change(*V, "commit", to="A" * 40), "not a full commit", True),
    (change(*V, "deleting", to=7), "deleting is missing or not a string", True),
    (change(*V, "reason", to=[]), "reason is missing or not a string", True),
    (change(*V, "deleted", to=""), "deleted: not a UTC time", True),
    (two(id=ID), "a.csv and a.csv share the id", False),
    (change("datasets", "b.csv", to=MINIMAL["datasets"]["a.csv"]), "b.csv and a.csv share the id", False),
]  # fmt: skip


@pytest.mark.parametrize(("value", "fragment", "schema"), INVALID, ids=[i[1] for i in INVALID])
def test_invalid(value: Any, fragment: str, schema: bool) -> None:
    with pytest.raises(ManifestError, match=fragment) as caught:
        read(value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert VALIDATOR.is_valid(value) is not schema


def test_names_are_their_own_error() -> None:
    with pytest.raises(NameRefused):
        read(change("datasets", "../x", to={}))


def test_a_newer_format_says_what_to_install() -> None:
    with pytest.raises(ManifestError) as caught:
        read(change("format", to="git-data/manifest/2"))
    assert caught.value.hints == ("pip install --upgrade git-datamanager",)


def test_what_is_named_stands_in_the_message() -> None:
    with pytest.raises(ManifestError, match=r"^HEAD:manifest.json: a.csv v1: id: not a ULID"):
        loads(json.dumps(change(*V, "id", to="x")).encode(), what="HEAD:manifest.json")


@pytest.mark.parametrize(
    "markers",
    [
        b"<<<<<<< HEAD\n%s\n=======\n%s\n>>>>>>> branch\n",
        b"<<<<<<< HEAD\r\n%s\r\n=======\r\n%s\r\n>>>>>>> branch\r\n",
        b"{\n<<<<<<< HEAD\n||||||| base\n%s\n=======\n%s\n>>>>>>> x\n}",
    ],
)
def test_conflict_markers_have_their_own_message(markers: bytes) -> None:
    with pytest.raises(ManifestError, match="conflict markers") as caught:
        loads(markers % (b'"a": 1', b'"a": 2'))
    assert caught.value.hints == ("git data resolve",)


def test_what_looks_like_markers_in_a_string_is_none() -> None:
    value = change(*V, "message", to="<<<<<<< HEAD\n=======\n>>>>>>> x")
    assert read(value).dataset("a.csv").versions[0].message.startswith("<<<<<<<")


def test_33_mib_are_refused_before_anybody_reads_them() -> None:
    with pytest.raises(ManifestError, match="larger than 32 MiB"):
        loads(b"<<<<<<< x\n" * (1 << 20) + b" " * (23 << 20))


@given(st.binary() | st.text('{}[]":,a1', max_size=40).map(str.encode))
def test_any_bytes_are_a_manifest_or_a_manifest_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        loads(data)


@given(manifests(), st.data())
def test_a_damaged_manifest_is_read_or_refused(manifest: Manifest, data: st.DataObject) -> None:
    raw = bytearray(dumps(manifest))
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b'{}[]",:\\0a\xff'))
    try:
        dumps(loads(bytes(raw)))
    except ManifestError as error:
        assert "\x1b" not in str(error)


@given(st.datetimes())
def test_every_day_of_the_calendar(moment: datetime) -> None:
    text = moment.strftime("%m-%dT%H:%M:%SZ")
    assert fields.time(f"{moment.year:04}-{text}").endswith(text)


# Asking


def version(number: int, entry: str, state: State = State.PUBLISHED) -> Version:
    return Version(
        number=number, id=entry, state=state, oid=EMPTY, size=0, created="2026-11-20T09:00:00Z", author="A"
    )


def test_versions_by_number_id_or_none() -> None:
    dataset = Dataset(
        name="a b.csv", kind=Kind.FILE, versions=(version(2, ID2, State.DELETING), version(1, ID))
    )
    assert dataset.version("v2").id == ID2
    assert dataset.version("2").id == ID2
    assert dataset.version(ID).number == 1
    assert dataset.version(None).number == 1
    assert dataset.is_listed
    assert dataset.by_id(ID) is dataset.versions[1]
    assert dataset.by_id("x") is None


@pytest.mark.parametrize(
    "text", ["", "v", "V1", "v3", "0", "v01", "latest", ID.lower(), "\x1b[2J\u202e", "x" * 10_000, "v1\n"]
)
def test_hostile_or_unknown_versions(text: str) -> None:
    dataset = Dataset(name="a.csv", kind=Kind.FILE, versions=(version(1, ID),))
    with pytest.raises(UnknownVersion, match="it has v1") as caught:
        dataset.version(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_hints_can_be_pasted_into_a_shell() -> None:
    dataset = Dataset(name="$(x) b.csv", kind=Kind.FILE, versions=(version(1, ID), version(1, ID2)))
    with pytest.raises(UnknownVersion, match=f"2 versions v1, from merged branches: {ID}, {ID2}") as caught:
        dataset.version("1")
    assert caught.value.hints[0] == f"git data pull '$(x) b.csv'@{ID}"
    with pytest.raises(UnknownVersion, match="no version left") as caught:
        Dataset(name="$(x)", kind=Kind.FILE).version(None)
    assert caught.value.hints == ("git data log '$(x)'",)
    with pytest.raises(UnknownVersion, match="it has none"):
        Dataset(name="x", kind=Kind.FILE).version("v1")


def test_unknown_datasets_name_what_comes_close() -> None:
    manifest = Manifest().put(Dataset(name="data/energy.csv", kind=Kind.FILE))
    with pytest.raises(UnknownDataset, match=r"'data/enrgy.csv'.*did you mean data/energy.csv") as caught:
        manifest.dataset("data/enrgy.csv")
    assert caught.value.hints == ("git data log data/energy.csv",)
    with pytest.raises(UnknownDataset) as caught:
        manifest.dataset("\x1b" * 2000)
    assert caught.value.hints == ("git data ls",)
    assert str(caught.value).isprintable()
    assert "did you mean" not in str(caught.value)


# Changing


def test_put_keeps_the_order_and_checks_new_names() -> None:
    one = Manifest().put(Dataset(name="b", kind=Kind.FILE)).put(Dataset(name="a", kind=Kind.FILE))
    assert list(one.datasets) == ["a", "b"]
    changed = one.put(Dataset(name="a", kind=Kind.TREE))
    assert list(changed.datasets) == ["a", "b"]
    assert changed.dataset("a").kind is Kind.TREE
    assert one.dataset("a").kind is Kind.FILE
    with pytest.raises(NameRefused, match="inside"):
        one.put(Dataset(name="a/b", kind=Kind.FILE))
    with pytest.raises(NameRefused, match="same file"):
        one.with_datasets([*one, *one])
    assert list(one.drop("a").datasets) == ["b"]


def test_the_writer_sorts_whatever_it_is_given() -> None:
    datasets = {name: Dataset(name=name, kind=Kind.FILE) for name in ("b", "\U0001f600", "\uffff", "a")}
    data = json.loads(dumps(Manifest(datasets)))
    assert list(data["datasets"]) == sorted(datasets, key=str.encode)


@pytest.mark.parametrize("text", ["1", "v0", "v", "", "v1 ", "v-1", "v1_0"])
def test_parse_number_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not a version number"):
        parse_number(text)


def test_the_largest_number() -> None:
    assert parse_number("v999999999") == 999_999_999


# A folder of empty files has members and no bytes


def test_a_folder_without_bytes_is_not_an_empty_listing() -> None:
    value = change(*D, to={"kind": "tree", "versions": [VERSION | {"size": 0}]})
    assert read(value).dataset("a.csv").versions[0].size == 0
    assert VALIDATOR.is_valid(value)


# The schema


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", [*CANONICAL, "manifest-noncanonical.json"])
def test_golden_files_pass_the_schema(name: str) -> None:
    VALIDATOR.validate(json.loads((GOLDEN / name).read_bytes()))


def test_the_schema_knows_the_fields_of_the_reader() -> None:
    from git_datamanager.model import entries

    definitions = SCHEMA["$defs"]
    assert tuple(definitions["version"]["properties"]) == entries.VERSION_FIELDS
    assert tuple(definitions["dataset"]["properties"]) == entries.DATASET_FIELDS
    assert tuple(definitions["options"]["properties"]) == tuple(options.KNOWN)
    assert tuple(SCHEMA["properties"]) == entries.MANIFEST_FIELDS
