"""Manifests that are not: malformed, with twins, of other formats, too large, conflicted, hostile."""

import json

import pytest

from tests.bad.scene import Scene, Still, refused
from tests.world import Clone

VERBS = (
    ["status"], ["ls"], ["add", "a.csv"], ["pull"], ["pull", "--force"], ["rollback", "a.csv", "--to", "v1"],
    ["delete", "a.csv", "--yes"], ["mv", "a.csv", "b.csv"], ["fsck"], ["rm", "--cached", "a.csv"],
)  # fmt: skip


@pytest.fixture
def scene(tracked: Scene) -> Scene:
    return tracked


@pytest.fixture
def ana(scene: Scene) -> Clone:
    return scene.ana


def entry(clone: Clone) -> dict:
    return clone.manifest()["datasets"]["a.csv"]


def with_datasets(clone: Clone, datasets: dict) -> str:
    return json.dumps({"format": "git-data/manifest/1", "datasets": datasets}, indent=2) + "\n"


def malformed(clone: Clone) -> str:
    return '{"format": "git-data/manifest/1",'


def duplicate_keys(clone: Clone) -> str:
    return '{"format": "git-data/manifest/1", "datasets": {}, "datasets": {}}\n'


def unknown_format(clone: Clone) -> str:
    return '{"format": "git-data/manifest/9", "datasets": {}}\n'


def other_format(clone: Clone) -> str:
    return '{"name": "web app"}\n'


def a_list(clone: Clone) -> str:
    return "[]\n"


def empty(clone: Clone) -> str:
    return ""


def byte_order_mark(clone: Clone) -> str:
    return "\ufeff" + clone.read("manifest.json").decode()


def trailing_data(clone: Clone) -> str:
    return clone.read("manifest.json").decode() + "{}"


def not_a_number(clone: Clone) -> str:
    return clone.read("manifest.json").decode().replace('"size": 2', '"size": NaN')


def short_hash(clone: Clone) -> str:
    return clone.read("manifest.json").decode().replace('"oid": "sha256:', '"oid": "sha256:00')


def upper_case_hash(clone: Clone) -> str:
    oid = clone.versions("a.csv")[0]["oid"]
    return clone.read("manifest.json").decode().replace(oid, "sha256:" + oid[7:].upper())


def other_algorithm(clone: Clone) -> str:
    return clone.read("manifest.json").decode().replace("sha256:", "md5:")


def deep(clone: Clone) -> str:
    return '{"format": "git-data/manifest/1", "datasets": {}, "x": ' + "[" * 5000 + "]" * 5000 + "}"


def dot_dot(clone: Clone) -> str:
    return with_datasets(clone, {"../../evil": entry(clone)})


def absolute(clone: Clone) -> str:
    return with_datasets(clone, {"/etc/passwd": entry(clone)})


def in_git(clone: Clone) -> str:
    return with_datasets(clone, {".GIT/hooks/pre-commit": entry(clone)})


def own_file(clone: Clone) -> str:
    return with_datasets(clone, {".gitdata": entry(clone)})


def case_fold_twins(clone: Clone) -> str:
    twin = json.loads(json.dumps(entry(clone)).replace(entry(clone)["versions"][0]["id"], "0" * 26))
    return with_datasets(clone, {"A.csv": twin, "a.csv": entry(clone)})


def shared_id(clone: Clone) -> str:
    return with_datasets(clone, {"a.csv": entry(clone), "b.csv": entry(clone)})


KINDS = {
    malformed: "not JSON",
    duplicate_keys: "twice",
    unknown_format: "newer",
    other_format: "not a manifest of git data",
    a_list: "manifest.json",
    empty: "manifest.json",
    byte_order_mark: "manifest.json",
    trailing_data: "not JSON",
    not_a_number: "manifest.json",
    short_hash: "oid",
    upper_case_hash: "oid",
    other_algorithm: "oid",
    deep: "manifest.json",
    dot_dot: "'..'",
    absolute: "absolute",
    in_git: "belongs to Git",
    own_file: "belongs to Git or to this tool",
    case_fold_twins: "same file on some systems",
    shared_id: "share the id",
}


@pytest.mark.slow
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_a_bad_manifest_stops_every_verb_with_the_way_out(scene: Scene, ana: Clone, make):
    ana.write("manifest.json", make(ana))
    still = Still(scene)
    for words in (["status"], ["add", "a.csv"], ["pull", "--force"]):
        run = "pip install --upgrade" if make is unknown_format else "git checkout HEAD -- manifest.json"
        refused(ana.data(*words, code=None), 128, KINDS[make], run=run)
    still.check()


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_touches_anything_beside_a_malformed_manifest(scene: Scene, ana: Clone, words: list[str]):
    ana.write("manifest.json", malformed(ana))
    still = Still(scene)
    refused(ana.data(*words, code=None), 128, "not JSON", run="git checkout HEAD -- manifest.json")
    still.check()


def test_the_hint_of_a_malformed_manifest_works(scene: Scene, ana: Clone):
    ana.write("manifest.json", malformed(ana))
    ana.git("checkout", "HEAD", "--", "manifest.json")
    assert ana.states("a.csv") == {"v1": "pending"}
    ana.data("status")


def test_conflict_markers_send_to_resolve(scene: Scene, ana: Clone):
    text = ana.read("manifest.json").decode()
    ana.write("manifest.json", f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n")
    still = Still(scene)
    for words in VERBS:
        refused(ana.data(*words, code=None), 128, "conflict markers", run="git data resolve")
    still.check()


def test_a_manifest_of_33_mib_is_refused_before_it_is_parsed(scene: Scene, ana: Clone):
    ana.write("manifest.json", b'{"format": "git-data/manifest/1", "datasets": {}}' + b" " * (33 << 20))
    for words in (["status"], ["add", "a.csv"]):
        refused(ana.data(*words, code=None), 128, "MiB", run="git checkout HEAD -- manifest.json")
    assert (ana.path / "manifest.json").stat().st_size > 33 << 20


def test_a_manifest_that_is_a_link_is_not_followed(scene: Scene, ana: Clone):
    (scene.root / "elsewhere.json").write_bytes(ana.read("manifest.json"))
    (ana.path / "manifest.json").unlink()
    (ana.path / "manifest.json").symlink_to("../elsewhere.json")
    still = Still(scene)
    for words in (["status"], ["add", "a.csv"], ["delete", "a.csv", "--yes"]):
        refused(ana.data(*words, code=None), 128, "link", run="git ")
    still.check()


def test_a_bad_manifest_in_a_commit_stops_pull_and_publish(scene: Scene, ana: Clone):
    good = ana.read("manifest.json")
    ana.write("manifest.json", dot_dot(ana))
    ana.git("add", "manifest.json")
    ana.commit("Evil")
    ana.git("push", "-q")
    ana.write("manifest.json", good)
    still = Still(scene)
    refused(ana.data("pull", "--rev", "HEAD", code=None), 128, "'..'", run=None)
    refused(ana.data("publish", code=None), 128, "'..'", run=None)
    still.check()
    assert not (scene.root.parent / "evil").exists()


def test_a_bad_staged_manifest_stops_upload(scene: Scene, ana: Clone):
    good = ana.read("manifest.json")
    ana.write("manifest.json", malformed(ana))
    ana.git("add", "manifest.json")
    ana.write("manifest.json", good)
    still = Still(scene)
    refused(ana.data("upload", code=None), 128, "not JSON", run="git ")
    still.check()


def test_without_a_manifest_file_the_one_git_knows_counts(scene: Scene, ana: Clone):
    (ana.path / "manifest.json").unlink()
    assert [d["name"] for d in ana.json("ls")["datasets"]] == ["a.csv"]


def test_terminal_escapes_in_a_manifest_are_shown_not_sent(scene: Scene, ana: Clone):
    value = ana.manifest()
    version = value["datasets"]["a.csv"]["versions"][0]
    version["message"] = "\x1b]8;;http://evil\x07click\u202e"
    version["author"] = "\x1b[31mE <e@x>"
    ana.write("manifest.json", json.dumps(value))
    for words in (["log"], ["show", "a.csv"], ["ls"], ["status"]):
        done = ana.data(*words)
        assert not {"\x1b", "\x07", "\u202e"} & set(done.text)
