"""Compaction as a state machine: publish, gc, people and faults over one dataset of up to three contents.

docs/design/encodings.md, "Compaction"; docs/design/publish.md. A step is one request to a store, one look
at the tip, or one push. A process that never moves again has crashed; one that moves late was paused. The
lease of publish excludes nobody here. A tick is time: a job sees one at most, `lease-gc` lasts two, the
grace three.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

IDLE, OPEN, PENDING, LIVE, DELETING, DEAD = range(6)
"""An entry: unseen, on an open request, then on the tip."""
NONE, GOOD, BAD = range(3)
"""A stored delta."""
CONTENTS = range(3)
PLAIN = -1
"""Of a content that is not recorded as compacted; else the record names the base of its delta."""
GRACE, FREE = 3, 3

RULES = {
    "move-check": "gc moves what is compacted only once it rebuilt it from the recorded chain in this run",
    "purge-check": "gc purges what is compacted only once it rebuilt it again",
    "plain-end": "a rebuild follows recorded deltas to plain bytes that no record gives up, in objects/",
    "bases-reached": "the chain of what is reached is reached: its deltas, and the plain bytes at its end",
    "listed-forms": "what is reached, not recorded, and has no plain object: its stored deltas are its chain",
    "leave": "publish leaves in the trash what is compacted",
    "repair": "publish rebuilds each chain whose plain bytes are still somewhere; where it is broken, it "
    "brings them back and drops the record",
    "record-checked": "a record is written only for a chain that was rebuilt as stored",
    "keep-good": "publish writes a delta anew only where the stored one does not rebuild",
    "same-chain": "and only while the tip's records lead along that very chain, over live versions",
    "wanted": "and only while the tip asks for it, and nothing pending has the same content",
    "undo-seen": "a record is dropped only by a run that has seen the plain object",
    "hold": "a deletion becomes final only once no chain leads over that content",
    "unlean": "publish brings back the plain bytes of what rests on anything but newer live versions, and "
    "drops the record: records are never led elsewhere, only set while the plain object is there",
    "restore-end": "publish restores the plain bytes at the end of a chain, whatever became of their entry",
    "rebuild": "publish of a pending entry, and the undoing, rebuild from the stored deltas at last",
    "pending-plain": "gc keeps plain bytes of what a request or the tip names as pending, recorded or not",
    "fresh-move": "gc reads the roots again before it deletes from objects/",
    "fresh-purge": "and before a purge",
    "sweep-plain": "gc deletes deltas only of what is not reached, or has its plain object",
    "list-first": "gc lists before it reads the roots",
    "grace": "a purge waits for the grace",
    "gc-lease": "one run of gc at a time",
}


class Process(NamedTuple):
    """A job at work; `notes` is what it knows."""

    kind: str
    at: str
    age: int
    notes: tuple[Any, ...]


class State(NamedTuple):
    """Contents are bits in `plain` and `staged`, positions in `trash` and `records`."""

    stages: tuple[int, ...]
    records: tuple[int, ...] = (PLAIN,) * 3
    asked: bool = False
    """The dataset's option `plain` is 1."""
    plain: int = 0
    trash: tuple[int, ...] = (0,) * 3
    """0: nothing there, else its age + 1."""
    deltas: tuple[int, ...] = (NONE,) * 9
    """At 3 * content + base."""
    staged: int = 0
    lease: int = 0
    processes: tuple[Process, ...] = ()
    option: int = 0
    """How often the option may still change; so the next three."""
    withdrawals: int = 0
    deletions: int = 0
    faults: int = 0


def bits(contents: Iterable[int]) -> int:
    """A set of contents."""
    return sum(1 << x for x in set(contents))


def members(mask: int, size: int = 3) -> list[int]:
    """What a set holds."""
    return [x for x in range(size) if mask >> x & 1]


def put(row: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    """The row with one value changed."""
    return (*row[:place], value, *row[place + 1 :])


def chain(records: tuple[int, ...], x: int) -> tuple[int, ...] | None:
    """The contents from `x` to the plain bytes that its records lead to; None for a circle."""
    way = [x]
    while records[way[-1]] != PLAIN:
        way.append(records[way[-1]])
        if len(way) > len(CONTENTS):
            return None
    return tuple(way)


class Compaction:
    """The machine. `contents` are those of the entries, oldest first; `tagged` what a tag names."""

    def __init__(
        self, contents: tuple[int, ...], tagged: int = 0, without: Iterable[str] = (), publishers: int = 2
    ) -> None:
        unknown = set(without) - set(RULES)
        if unknown:
            raise ValueError(f"no such rules: {unknown}")
        self.rules = set(RULES) - set(without)
        self.contents = contents
        self.tagged = tagged
        self.publishers = publishers
        self._settled: dict[State, str | None] = {}

    # What the tip says.

    def named(self, stages: tuple[int, ...], *which: int) -> int:
        """The contents of entries in these stages."""
        return bits(x for x, stage in zip(self.contents, stages, strict=True) if stage in which)

    def live(self, stages: tuple[int, ...]) -> list[int]:
        """Live contents, newest first."""
        found = [x for x, stage in zip(self.contents, stages, strict=True) if stage == LIVE]
        return list(dict.fromkeys(reversed(found)))

    def to_compact(self, stages: tuple[int, ...], asked: bool) -> list[int]:
        """Live contents that keep no plain bytes."""
        spared = self.named(stages, PENDING, DELETING) if "wanted" in self.rules else 0
        return [x for x in self.live(stages)[1:] if not spared >> x & 1] if asked else []

    # What the stores give.

    def rebuilds(self, s: State, records: tuple[int, ...], x: int) -> bool:
        """Do the recorded deltas, as stored, lead to plain bytes in objects/ that stay?"""
        if "plain-end" not in self.rules:
            y = records[x]
            return s.deltas[3 * x + y] == GOOD and self._found(s, y, 0, in_trash=False)
        way = chain(records, x)
        if way is None or not s.plain >> way[-1] & 1:
            return False
        return all(s.deltas[3 * a + b] == GOOD for a, b in pairwise(way))

    def _found(self, s: State, x: int, tried: int, *, in_trash: bool = True) -> bool:
        """Can a reader that lists what is stored have the bytes?"""
        if s.plain >> x & 1 or (in_trash and s.trash[x]):
            return True
        tried |= 1 << x
        return any(
            s.deltas[3 * x + y] == GOOD and self._found(s, y, tried, in_trash=in_trash)
            for y in CONTENTS if not tried >> y & 1
        )  # fmt: skip

    def _readable(self, s: State, x: int, depth: int = 0) -> bool:
        """Can a reader of the manifest alone have the bytes?"""
        if s.plain >> x & 1 or s.trash[x]:
            return True
        y = s.records[x]
        return y != PLAIN and depth < 3 and s.deltas[3 * x + y] == GOOD and self._readable(s, y, depth + 1)

    # The promises.

    def broken(self, s: State) -> str | None:
        """I1: live is readable. I6: what is reached is somewhere. I4: fault-free runs settle everything."""
        return self._lost(s) or self._unsettled(s)

    def _lost(self, s: State) -> str | None:
        if not all(self._readable(s, x) for x in self.live(s.stages)):
            return "I1"
        reached = self.named(s.stages, OPEN, PENDING) | self.tagged
        if not all(s.staged >> x & 1 or self._found(s, x, 0) for x in members(reached)):
            return "I6"
        return None

    def _unsettled(self, s: State) -> str | None:
        calm = s._replace(
            processes=(), lease=0, option=0, withdrawals=0, deletions=0, faults=0,
            trash=tuple(map(bool, s.trash)),
        )  # fmt: skip
        if calm not in self._settled:
            self._settled[calm] = self._settle(calm)
        return self._settled[calm]

    def _settle(self, s: State) -> str | None:
        for _ in range(8):
            before = s
            for start in (self.publish, self.gc):
                s = s._replace(trash=tuple(GRACE + 1 if age else 0 for age in s.trash))
                s = next((after for _, after in start(s)), s)
                while s.processes:
                    s = next(self._go_on(s, s.processes[0]))[1]
                s = s._replace(lease=0)
            if self._lost(s):
                return "I1 later"
            if s == before:
                return self._undone(s)
        return "I4 no rest"

    def _undone(self, s: State) -> str | None:
        """What should be different after everything came to rest."""
        packed = self.to_compact(s.stages, s.asked)
        stays = bits(x for x in self.live(s.stages) if x not in packed)
        held = self.tagged | self.named(s.stages, OPEN)
        ok = (
            not self.named(s.stages, PENDING, DELETING)
            and all(s.records[x] != PLAIN and self.rebuilds(s, s.records, x) for x in packed)
            and all(s.records[x] == PLAIN for x in members(stays))
            and s.plain & ~held == stays & ~held
            and s.plain & stays == stays
            and not any(age for x, age in enumerate(s.trash) if not held >> x & 1)
        )  # fmt: skip
        return None if ok else "I4 undone"

    # What may happen.

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """Every step of everybody."""
        yield from self._people(s)
        yield from self._faults(s)
        if sum(p.kind == "publish" for p in s.processes) < self.publishers:
            yield from self.publish(s)
        yield from self.gc(s)
        for process in s.processes:
            yield from self._go_on(s, process)
        after = self._tick(s)
        if after != s:
            yield "TICK", after

    def _people(self, s: State) -> Iterator[tuple[str, State]]:
        if s.option:
            yield "option", s._replace(asked=not s.asked, option=s.option - 1)
        for e, stage in enumerate(s.stages):
            x = self.contents[e]

            def to(stage: int, e: int = e, **change: Any) -> State:
                return s._replace(stages=put(s.stages, e, stage), **change)

            if stage == IDLE and not any(p.kind == "author" for p in s.processes):
                if s.staged >> x & 1:
                    yield f"push {e}", to(OPEN)
                elif s.plain >> x & 1:
                    yield f"author {e} finds it", self._set(s, None, Process("author", "push", 0, (e,)))
                elif self._found(s, x, 0):
                    yield f"author {e} stages it", to(OPEN, staged=s.staged | 1 << x)
            elif stage == OPEN:
                yield f"merge {e}", to(PENDING)
            if stage in (OPEN, PENDING) and s.withdrawals:
                yield f"withdraw {e}", to(DEAD, withdrawals=s.withdrawals - 1)
            if stage == LIVE and s.deletions and s.stages.count(LIVE) > 1:
                yield f"delete {e}", to(DELETING, deletions=s.deletions - 1)

    def _author(self, s: State, me: Process) -> Iterator[tuple[str, State]]:
        e = me.notes[0]
        yield f"push {e}", self._set(s, me, None, stages=put(s.stages, e, OPEN))

    def _faults(self, s: State) -> Iterator[tuple[str, State]]:
        """A delta is damaged or gone, while nothing rests on it alone yet."""
        if not s.faults or any(p.at == "purge" for p in s.processes):
            return
        for place, value in enumerate(s.deltas):
            for worse in (NONE, BAD) if value == GOOD else ():
                after = s._replace(deltas=put(s.deltas, place, worse), faults=s.faults - 1)
                if not self._lost(after):
                    yield f"FAULT delta {place // 3}->{place % 3} {worse}", after

    def _tick(self, s: State) -> State:
        return s._replace(
            processes=tuple(sorted(p._replace(age=1) for p in s.processes if not p.age)),
            trash=tuple(min(age + 1, GRACE + 1) if age else 0 for age in s.trash),
            lease=min(s.lease + 1, FREE) if s.lease else 0,
        )

    @staticmethod
    def _set(s: State, old: Process | None, new: Process | None, **change: Any) -> State:
        rest = list(s.processes)
        if old is not None:
            rest.remove(old)
        return s._replace(processes=tuple(sorted([*rest, *([new] if new else [])])), **change)

    def _go_on(self, s: State, me: Process) -> Iterator[tuple[str, State]]:
        kinds: dict[str, Callable[[State, Process], Iterator[tuple[str, State]]]] = {
            "publish": self._publish_step, "gc": self._gc_step, "author": self._author,
        }  # fmt: skip
        return kinds[me.kind](s, me)

    # Publish.

    def publish(self, s: State) -> Iterator[tuple[str, State]]:
        """Fetch the tip, see what there is to do."""
        tasks = self._tasks(s)
        if tasks or DELETING in s.stages:
            yield (
                "publish fetches",
                self._set(s, None, Process("publish", "work", 0, (tasks, s.records, 0, ()))),
            )

    def _tasks(self, s: State) -> tuple[tuple[str, int, int], ...]:
        """Bytes to bring first, then deltas to make, newest first."""
        packed, live = self.to_compact(s.stages, s.asked), self.live(s.stages)
        bring, make = [], []
        for x in CONTENTS:
            is_packed = s.records[x] != PLAIN
            needs = bits(live) | self.named(s.stages, PENDING)
            missing = not s.plain >> x & 1
            if x in packed and is_packed:
                if (
                    self._is_broken(s, x)
                    or self._is_shaky(s, x)
                    or ("leave" not in self.rules and missing and s.trash[x])
                ):
                    bring.append(x)
            elif needs >> x & 1:
                if missing or is_packed or self.named(s.stages, PENDING) >> x & 1:
                    bring.append(x)
            elif missing and s.trash[x] and self.tagged >> x & 1:
                bring.append(x)
        for x in packed:
            if s.records[x] == PLAIN:
                make.append((x, live[live.index(x) - 1]))
        if "restore-end" in self.rules:
            ends = [way[-1] for x in live if s.records[x] != PLAIN and (way := chain(s.records, x))]
            bring += [x for x in ends if not s.plain >> x & 1]
        return (
            *(("bring", x, x) for x in dict.fromkeys(bring)),
            *((verb, x, y) for x, y in make for verb in ("make", "check")),
        )

    def _is_broken(self, s: State, x: int) -> bool:
        has_copy = s.plain >> x & 1 or s.trash[x]
        return "repair" in self.rules and bool(has_copy) and not self.rebuilds(s, s.records, x)

    def _is_shaky(self, s: State, x: int) -> bool:
        return "unlean" in self.rules and not self._leads_up(s.stages, chain(s.records, x))

    def _leads_up(self, stages: tuple[int, ...], way: tuple[int, ...] | None) -> bool:
        """From each content to a newer one, all of them live? Then no two chains make a circle."""
        live = self.live(stages)
        if way is None or any(x not in live for x in way):
            return False
        places = [live.index(x) for x in way]
        return all(b < a for a, b in pairwise(places))

    def _publish_step(self, s: State, me: Process) -> Iterator[tuple[str, State]]:
        tasks, records, seen, ways = me.notes

        def then(
            seen: int = seen, records: tuple[int, ...] = records, ways: Any = ways, **change: Any
        ) -> State:
            return self._set(s, me, me._replace(notes=(tasks[1:], records, seen, ways)), **change)

        if not tasks:
            yield "publish finalizes", self._set(s, me, None, **self._finalized(s, seen, ways))
            return
        verb, x, y = tasks[0]
        if verb == "bring":
            sources = s.trash[x] or s.staged >> x & 1 or ("rebuild" in self.rules and self._found(s, x, 0))
            if s.plain >> x & 1 or sources:
                yield f"publish has {x}", then(
                    seen | 1 << x, put(records, x, PLAIN), plain=s.plain | 1 << x)  # fmt: skip
            else:
                yield f"publish lacks {x}", then()
        elif verb == "make":
            if "keep-good" in self.rules and s.deltas[3 * x + y] == GOOD:
                yield f"publish finds {x}->{y} made", then()
            elif self._found(s, x, 0) and self._found(s, y, 0):
                yield f"publish makes {x}->{y}", then(deltas=put(s.deltas, 3 * x + y, GOOD))
                if s.faults:
                    worse = put(s.deltas, 3 * x + y, BAD)
                    if not self._lost(s._replace(deltas=worse)):
                        yield f"publish makes {x}->{y} BAD", then(deltas=worse, faults=s.faults - 1)
            else:
                yield f"publish cannot make {x}->{y}", then()
        else:
            planned = put(records, x, y)
            if "record-checked" not in self.rules or self.rebuilds(s, planned, x):
                yield (
                    f"publish checks {x}->{y}",
                    then(records=planned, ways=(*ways, chain(planned, x) or (x, y))),
                )
            else:
                yield f"publish finds {x}->{y} bad", then()

    def _finalized(self, s: State, seen: int, ways: tuple[tuple[int, ...], ...]) -> dict[str, Any]:
        """What one push changes, recomputed from the tip as it is."""
        stages = tuple(
            LIVE if stage == PENDING and seen >> x & 1 else stage
            for x, stage in zip(self.contents, s.stages, strict=True)
        )
        packed = self.to_compact(stages, s.asked)
        records = s.records
        for x in CONTENTS:
            if seen >> x & 1 or ("undo-seen" not in self.rules and x not in packed):
                records = put(records, x, PLAIN)
        records = self._recorded(stages, records, [w for w in ways if w[0] in packed])
        return self._buried(stages, records)

    def _recorded(
        self, stages: tuple[int, ...], records: tuple[int, ...], ways: list[tuple[int, ...]]
    ) -> tuple[int, ...]:
        """With the chains that the tip still leads along, of those that were checked."""
        while True:
            found = records
            for way in ways:
                found = put(found, way[0], way[1])
            if "same-chain" not in self.rules:
                return found
            good = [w for w in ways if chain(found, w[0]) == w and self._leads_up(stages, w)]
            if good == ways:
                return found
            ways = good

    def _buried(self, stages: tuple[int, ...], records: tuple[int, ...]) -> dict[str, Any]:
        """Deletions become final, except for what a chain leads over."""
        alive = members(self.named(stages, LIVE, PENDING))
        rests = bits(y for x in alive for y in (chain(records, x) or ())[1:]) if "hold" in self.rules else 0
        rests &= ~self.named(stages, LIVE)
        after = tuple(
            DEAD if stage == DELETING and not rests >> x & 1 else stage
            for x, stage in zip(self.contents, stages, strict=True)
        )
        kept = self.named(after, LIVE, PENDING, DELETING)
        return {
            "stages": after,
            "records": tuple(y if kept >> x & 1 else PLAIN for x, y in enumerate(records)),
        }

    # gc.

    def needed(self, s: State, asked_for: int) -> tuple[int, int]:
        """What the tip as it is now reaches, and what open requests asked for: plain bytes, deltas."""
        pending = self.named(s.stages, PENDING) | asked_for
        todo = members(self.named(s.stages, PENDING, LIVE, DELETING) | asked_for | self.tagged)
        done, plain, deltas = set[int](), 0, 0
        while todo:
            x = todo.pop()
            if x in done:
                continue
            done.add(x)
            bases = [s.records[x]] if s.records[x] != PLAIN else []
            is_pending = pending >> x & 1 and "pending-plain" in self.rules
            if not bases or is_pending:
                plain |= 1 << x
            if not bases and not s.plain >> x & 1 and "listed-forms" in self.rules:
                bases = [y for y in CONTENTS if s.deltas[3 * x + y]]
            if "bases-reached" in self.rules:
                deltas |= bits(3 * x + y for y in bases)
                todo += bases
        return plain, deltas

    def gc(self, s: State) -> Iterator[tuple[str, State]]:
        """List the objects and what is old in the trash, then the requests."""
        if "gc-lease" in self.rules and s.lease not in (0, FREE):
            return
        if "gc-lease" not in self.rules and sum(p.kind == "gc" for p in s.processes) > 1:
            return
        opens = self.named(s.stages, OPEN)
        old = self._old(s)
        if s.plain & ~self.needed(s, opens)[0] or old or self._useless(s, opens):
            if "list-first" in self.rules:
                me = Process("gc", "roots", 0, (opens, s.plain, old))
            else:
                me = Process("gc", "listing", 0, (s.records, self.needed(s, opens)[0]))
            yield (
                "gc lists" if "list-first" in self.rules else "gc reads all roots",
                self._set(s, None, me, lease=1),
            )

    def _old(self, s: State) -> int:
        return bits(x for x, age in enumerate(s.trash) if age > (GRACE if "grace" in self.rules else 0))

    def _useless(self, s: State, opens: int) -> int:
        """Stored deltas that nothing needs, of what is not reached or has another chain."""
        _, needed = self.needed(s, opens)
        reached = self.named(s.stages, PENDING, LIVE, DELETING) | opens | self.tagged
        kept = reached & ~s.plain if "sweep-plain" in self.rules else 0
        return bits(
            n for n, value in enumerate(s.deltas)
            if value and not needed >> n & 1 and not kept >> n // 3 & 1
        )  # fmt: skip

    def _gc_step(self, s: State, me: Process) -> Iterator[tuple[str, State]]:
        return getattr(self, f"_gc_{me.at}")(s, me, *me.notes)

    def _next(self, s: State, me: Process, at: str, *notes: Any, **change: Any) -> State:
        """On to the next phase; those without work are left out."""
        if at == "moving" and not notes[1]:
            return self._next(s, me, "purging", notes[2], **change)
        if at == "purging" and not notes[0]:
            at, notes = "sweeping", ()
        now = s._replace(**change)
        if at == "sweeping" and not notes:
            opens = self.named(now.stages, OPEN)
            if not self._useless(now, opens):
                return self._set(now, me, None, lease=0)
            notes = (opens,)
        return self._set(now, me, me._replace(at=at, notes=notes))

    def _gc_roots(
        self, s: State, me: Process, opens: int, there: int, old: int
    ) -> Iterator[tuple[str, State]]:
        """The tip, after the requests: what is to go?"""
        yield "gc reads the tip", self._planned(s, me, s.records, self.needed(s, opens)[0], there, old)

    def _gc_listing(
        self, s: State, me: Process, records: tuple[int, ...], plain: int
    ) -> Iterator[tuple[str, State]]:
        yield "gc lists", self._planned(s, me, records, plain, s.plain, self._old(s))

    def _planned(
        self, s: State, me: Process, records: tuple[int, ...], plain: int, there: int, old: int
    ) -> State:
        to_move = there & ~plain
        to_purge = old & ~to_move & (~plain | there)
        notes = (records, to_move, 0, to_purge)
        return self._next(s, me, "aside", *notes) if to_move else self._next(s, me, "purging", to_purge)

    def _gc_aside(
        self, s: State, me: Process, records: tuple[int, ...], todo: int, copied: int, purge: int
    ) -> Iterator[tuple[str, State]]:
        """Rebuild what is compacted, copy into the trash; after the last one the requests again."""
        x = members(todo)[0]
        reached = self.named(s.stages, PENDING, LIVE, DELETING) >> x & 1
        must = "move-check" in self.rules and records[x] != PLAIN and reached
        if s.plain >> x & 1 and (not must or self.rebuilds(s, records, x)):
            label, copied, change = f"gc copies {x}", copied | 1 << x, {"trash": put(s.trash, x, 1)}
        else:
            label, change = f"gc leaves {x}", {}
        rest = todo & ~(1 << x)
        if rest:
            yield label, self._set(s, me, me._replace(notes=(records, rest, copied, purge)), **change)
        else:
            at = "moving" if "fresh-move" in self.rules else "move"
            head = self.named(s.stages, OPEN) if at == "moving" else copied
            tail = (copied, purge) if at == "moving" else (purge,)
            if not copied:
                yield label, self._next(s, me, "purging", purge, **change)
            else:
                yield label, self._next(s, me, at, head, *tail, **change)

    def _gc_moving(
        self, s: State, me: Process, opens: int, copied: int, purge: int
    ) -> Iterator[tuple[str, State]]:
        free = copied & ~self.needed(s, opens)[0]
        at = ("move", free, purge) if free else ("purging", purge)
        yield "gc reads the tip", self._next(s, me, *at)

    def _gc_move(self, s: State, me: Process, todo: int, purge: int) -> Iterator[tuple[str, State]]:
        x = members(todo)[0]
        rest = todo & ~(1 << x)
        at = ("move", rest, purge) if rest else ("purging", purge)
        plain = s.plain & ~(1 << x)
        yield f"gc DELETES object {x}", self._next(s, me, *at, plain=plain)
        yield f"gc DELETES object {x}, again", s._replace(plain=plain)

    def _gc_purging(
        self, s: State, me: Process, todo: int, opens: int | None = None
    ) -> Iterator[tuple[str, State]]:
        """Requests, then the tip: what is still free?"""
        if "fresh-purge" in self.rules and opens is None:
            yield (
                "gc reads the requests",
                self._set(s, me, me._replace(notes=(todo, self.named(s.stages, OPEN)))),
            )
            return
        plain, _ = self.needed(s, opens or 0)
        free = todo & (~plain | s.plain) if "fresh-purge" in self.rules else todo
        at = ("check", s.records, free) if free else ("sweeping",)
        yield "gc reads the tip", self._next(s, me, *at)

    def _gc_check(
        self, s: State, me: Process, records: tuple[int, ...], todo: int
    ) -> Iterator[tuple[str, State]]:
        x = members(todo)[0]
        reached = self.named(s.stages, PENDING, LIVE, DELETING) >> x & 1
        must = "purge-check" in self.rules and records[x] != PLAIN and reached
        ok = not must or self.rebuilds(s, records, x)
        rest = todo & ~(1 << x)
        if ok:
            yield f"gc may purge {x}", self._next(s, me, "purge", records, todo)
        else:
            yield f"gc keeps {x}", self._next(s, me, *(("check", records, rest) if rest else ("sweeping",)))

    def _gc_purge(
        self, s: State, me: Process, records: tuple[int, ...], todo: int
    ) -> Iterator[tuple[str, State]]:
        x = members(todo)[0]
        rest = todo & ~(1 << x)
        trash = put(s.trash, x, 0)
        yield (
            f"gc PURGES {x}",
            self._next(s, me, *(("check", records, rest) if rest else ("sweeping",)), trash=trash),
        )
        yield f"gc PURGES {x}, again", s._replace(trash=trash)

    def _gc_sweeping(self, s: State, me: Process, opens: int) -> Iterator[tuple[str, State]]:
        todo = self._useless(s, opens)
        if todo:
            yield "gc reads the tip", self._next(s, me, "sweep", todo)
        else:
            yield "gc reads the tip", self._set(s, me, None, lease=0)

    def _gc_sweep(self, s: State, me: Process, todo: int) -> Iterator[tuple[str, State]]:
        n = members(todo, 9)[0]
        rest = todo & ~(1 << n)
        deltas = put(s.deltas, n, NONE)
        end = self._next(s, me, "sweep", rest, deltas=deltas) if rest else self._set(
            s, me, None, lease=0, deltas=deltas)  # fmt: skip
        yield f"gc DELETES delta {n // 3}->{n % 3}", end
        yield f"gc DELETES delta {n // 3}->{n % 3}, again", s._replace(deltas=deltas)
