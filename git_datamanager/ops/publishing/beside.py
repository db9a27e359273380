"""What publish keeps in production beside the plain bytes of a version: its encoded forms, its cuts."""

from git_datamanager import encoded
from git_datamanager.errors import Corrupt, ObjectMissing, PreconditionFailed
from git_datamanager.events import note
from git_datamanager.model.chains import SMALLEST
from git_datamanager.model.layout import cuts_key, encoded_key
from git_datamanager.model.manifest import Dataset, Version
from git_datamanager.ops import encode
from git_datamanager.ops.bases import Bases
from git_datamanager.ops.publishing.crossing import Crossing
from git_datamanager.ops.publishing.redelta import Redelta

SLIM, MUCH = 0.02, 0.7
"""Shares of the plain bytes up to which a delta is good enough, and of a delta to which another one must
come down to be worth a place."""


def kept(crossing: Crossing, version: Version) -> dict[str, int]:
    """Form → bytes, of those in production: publish alone writes there, and only what it has decoded."""
    if version.size < SMALLEST:
        return {}
    return {str(form.encoding): form.size for form in encoded.forms(crossing.production, version.oid)}


def keep(crossing: Crossing, dataset: Dataset, version: Version, form: encoded.Form) -> None:
    """Have a form of staging in production, too, which was seen to rebuild the version.

    One that stands there and is good stays: a compacted version may rest on it. A delta that was made
    without the base's bytes is made again with them: here both are at hand, and everybody who pulls is
    spared the difference.
    """
    manager = crossing.manager
    again = Redelta(manager, dataset, crossing.production, crossing.check)
    if again.standing(version, form.encoding) is not None:
        return
    base = next((v for v in dataset.versions if v.oid == form.encoding.base), None)
    try:
        is_fat = form.size > version.size * SLIM
        if base and is_fat and again.make(version, base, int(form.size * MUCH)) is not None:
            return
    except (ObjectMissing, Corrupt) as error:
        note(manager.progress, f"{dataset.name} {version.name}: its delta stays as it is ({error})")
    crossing.take_over(form.key, form.etag, encoded_key(version.oid, form.encoding))


def keep_late(crossing: Crossing, dataset: Dataset, version: Version) -> dict[str, int]:
    """As `kept`, after a look at staging: a run that was cut short may have brought the plain bytes and
    not yet the form."""
    if version.size < SMALLEST:
        return {}
    bases = Bases(crossing.manager, dataset, ("production", "staging"))
    for form in encoded.forms(crossing.staging, version.oid):
        try:
            bases.check(crossing.staging, form, version.oid, version.size)
        except (ObjectMissing, Corrupt, PreconditionFailed):
            continue
        keep(crossing, dataset, version, form)
        return kept(crossing, version)
    return {}


def take_cuts(crossing: Crossing, version: Version) -> None:
    """The block index that the uploader left, for later deltas."""
    if version.size < encode.INDEXED:
        return
    key = cuts_key(version.oid)
    found = crossing.staging.adapter.stat_object(key)
    if found is not None and crossing.production.adapter.stat_object(key) is None:
        crossing.take_over(key, found.etag, key)
