"""The way back to an earlier transaction, made from the host's own record: an ordinary plan, for the same transaction.

What was replaced since lies in the records of the transactions that replaced it. What has no way back is said: what a
migration wrote, packages, users, secrets and databases stay.
"""

from __future__ import annotations

import base64
import os
from typing import Any, Iterable, Mapping, Sequence

from . import manifest, places, staging, standing, sysctls, treestate, unitreturn, unitstate
from .journal import Journal, committed
from .refusal import Refusal

#: Instead of an id: what was there before the first transaction.
NOTHING = "nothing"
#: Text of a file is told up to here, for a diff, bytes; that of all files together.
TEXT_LIMIT_BYTES = 256 << 10
TEXTS_LIMIT_BYTES = 8 << 20
RUNNING = ("active", "reloading")

Document = dict[str, Any]


def run(request: Document) -> Document:
    """Answer a `back` request: the plan that leads there, and what it means. Changes nothing.

    Args:
        request: `to`: a transaction's id, `nothing`, or None for the deploy before the last, trials not counted.

    Raises:
        Refusal: There is no such transaction on record, or something that it needs is gone.
    """
    records = committed()
    if not records or records[-1].identifier != manifest.load()["last_transaction"]:
        raise Refusal("unsupported", "the host has no record of its last deploy, so there is no way back to find")
    wanted = request.get("to")
    to = _target(records, wanted)
    undone = records[records.index(to) + 1 :] if to else records
    _check_chain(to, undone)
    then, now = _standing(to, records), _standing(records[-1], records)
    first = _first_of_each_path(undone)
    files, texts = _files(first)
    activations = _activations(then, now, _restarts(first, files), _ran_before(undone))
    plan = {
        "packages": [],
        "users": [],
        "directories": [],
        "secrets": [],
        "releases": [],
        "work": then["work"],
        "files": files,
        "validators": then["validators"],
        "sysctls": _settings(undone),
        "activations": activations,
        "units": then["units"],
        "probes": then["probes"],
        "gate_s": then["gate_s"],
        "return_after_s": then["return_after_s"],
        "last_transaction": records[-1].identifier,
        "back_to": to.identifier if to else NOTHING,
    }
    return {"plan": plan, "texts": texts, "undone": [one.identifier for one in undone], "notes": _notes(undone)}


def manifest_of(plan: Mapping[str, Any]) -> Document | None:
    """Return the manifest of the transaction that a plan goes back to; None for any other plan."""
    to = plan.get("back_to")
    if to is None:
        return None
    if to == NOTHING:
        return {"units": {}, "owned": {}, "modes": {}, "done": [], "sysctls": {}}
    found: Document = Journal.load(to).doc["manifest"]
    return found


def _target(records: Sequence[Journal], wanted: object) -> Journal | None:
    if wanted == NOTHING:
        return None
    if wanted is None:
        deploys = [one for one in records if not one.doc.get("trial_of")]
        if deploys and _files_of(records[-1]) != _files_of(deploys[-1]):
            return deploys[-1]  # what gained in trials was kept
        if len(deploys) < 2:  # a site is not taken down because somebody asked for "the one before"
            message = f"the host has no deploy before {(deploys or records)[-1].identifier} on record"
            raise Refusal("unsupported", message, next="what was there before the first deploy is `--to nothing`")
        return deploys[-2]
    named = [one for one in records if one.identifier == wanted]
    if not named:
        raise Refusal("unsupported", f"the host has no deploy {wanted} on record", next=_known(records))
    return named[0]


def _files_of(one: Journal) -> object:
    return (one.doc.get("manifest") or {}).get("owned")


def _check_chain(to: Journal | None, undone: Sequence[Journal]) -> None:
    """Refuse where a transaction in between is no longer on record: what it replaced is not known."""
    before = to.identifier if to else None
    for one in undone:
        if one.doc.get("after", "") != before:
            raise Refusal("unsupported", f"what the host was before {one.identifier} is no longer on record")
        before = one.identifier


def _known(records: Sequence[Journal]) -> str:
    return "on record are: " + ", ".join(one.identifier for one in reversed(records))


def _standing(one: Journal | None, records: Sequence[Journal]) -> Document:
    if one is None:
        return standing.of_nothing(_standing(records[-1], records))
    found: Document | None = one.doc.get("standing")
    if found is None or not standing.is_whole(found):
        message = f"the deploy {one.identifier} was made by an older deployer, which kept too little for a way back"
        raise Refusal("unsupported", message, next="deploy what you want from its inventory")
    return found


def _first_of_each_path(undone: Iterable[Journal]) -> dict[str, tuple[Journal, Document]]:
    """Find for each path the oldest of the undone transactions that replaced it: that one kept what was there."""
    found: dict[str, tuple[Journal, Document]] = {}
    for one in undone:
        for recorded in one.doc["files"]:
            found.setdefault(recorded["path"], (one, recorded))
    return found


def _files(first: Mapping[str, tuple[Journal, Document]]) -> tuple[list[Document], Document]:
    files: list[Document] = []
    texts: Document = {}
    left_bytes = TEXTS_LIMIT_BYTES
    for path, (journal, recorded) in sorted(first.items()):
        found, before = treestate.state_of(path), recorded["before"]
        if treestate.agrees(found, before):
            continue
        kept = f"{journal.identifier}/{recorded['copy']}" if before["kind"] == "file" else None
        if before["kind"] == "link":
            _check_release(before["target"])
        restarts = recorded.get("restarts", [])
        files.append({"path": path, "before": _told(found), "after": _wanted(before, kept), "restarts": restarts})
        if not recorded.get("secret"):
            texts[path] = {"now": _text_now(path, found, left_bytes), "then": _text_kept(kept, left_bytes)}
            left_bytes -= sum(len(text or "") for text in texts[path].values())
    return files, texts


def _check_release(target: str) -> None:
    if target.startswith("/srv/") and not treestate.is_directory(target):
        raise Refusal(
            "unsupported",
            f"the release {target} is no longer on the host",
            next="deploy it again from its source; the host keeps the last three",
        )


def _wanted(before: Document, kept: str | None) -> Document:
    if before["kind"] == "absent":
        return {"kind": "absent"}
    if before["kind"] == "link":
        return {"kind": "link", "target": before["target"]}
    return {**_told(before), "kept": kept, "secret": "mark" in before}


def _told(state: Document) -> Document:
    """Give a state as the protocol has it: the mode as text, no numbers of users."""
    told = {key: value for key, value in state.items() if key not in ("uid", "gid")}
    if "mode" in told:
        told["mode"] = f"{told['mode']:04o}"
    return told


def _text_now(path: str, found: Document, left_bytes: int) -> str | None:
    return _encoded(treestate.read(places.at(path)), left_bytes) if found["kind"] == "file" else None


def _text_kept(kept: str | None, left_bytes: int) -> str | None:
    return _encoded(staging.kept_bytes(kept), left_bytes) if kept else None


def _encoded(data: bytes, left_bytes: int) -> str | None:
    return base64.b64encode(data).decode("ascii") if len(data) <= min(TEXT_LIMIT_BYTES, left_bytes) else None


def _restarts(first: Mapping[str, tuple[Journal, Document]], files: Sequence[Document]) -> list[str]:
    """List the units that read a file which is in no hash of theirs: the system's own, and those with a secret."""
    return list(dict.fromkeys(unit for entry in files for unit in first[entry["path"]][1].get("restarts", [])))


def _ran_before(undone: Iterable[Journal]) -> dict[str, Document]:
    """Tell of each unit how it was before the oldest of the undone transactions that touched it, if it ran then."""
    found: dict[str, Document] = {}
    for one in undone:
        for unit, state in one.doc.get("units", {}).items():
            found.setdefault(unit, state)
    return {unit: state for unit, state in found.items() if state["active"] in RUNNING}


def _activations(
    then: Document, now: Document, owed: Sequence[str], ran_before: Mapping[str, Document]
) -> list[Document]:
    """Choose what is started, restarted, reloaded and stopped: what stood then, against what stands and runs now.

    What no deploy of then knew but ran all the same is the user's own: a site by hand that a deploy took over.
    """
    before = {entry["unit"]: entry for entry in now["units"]}
    wanted = [entry["unit"] for entry in then["units"]]
    theirs = sorted((unit for unit in ran_before if unit not in wanted), key=lambda unit: not unit.endswith(".socket"))
    states = unitstate.show([*before, *wanted, *theirs])
    others = [unit for unit in owed if unit not in {*before, *wanted}]
    chosen = [{"kind": "unit", "unit": unit, "action": "restart", "enable": False} for unit in others]
    for entry in then["units"]:
        unit = entry["unit"]
        action = _action(entry, before.get(unit), states[unit]["active"], is_owed=unit in owed)
        served = unit.removesuffix(".socket") + ".service" if unit.endswith(".socket") else ""
        if action == "start" and served in before and states[served]["active"] in RUNNING:
            chosen.append({"kind": "stop", "unit": served})  # systemd starts no socket for a service that runs
        candidate = entry.get("candidate") if action == "restart" else None
        if candidate and candidate not in chosen:
            chosen.append(candidate)
        if action:
            chosen.append({"kind": "unit", "unit": unit, "action": action, "enable": True, "ready": entry["ready"]})
    gone = [unit for unit in before if unit not in wanted and unit not in theirs]
    gone.sort(key=lambda unit: not unit.endswith((".socket", ".timer")))  # so that nothing starts a service again
    chosen += [{"kind": "stop", "unit": unit} for unit in gone]
    # last of all, when ports and memory are free: servers without our settings, and what had been stopped
    for unit in theirs:
        if unit in before or states[unit]["active"] not in RUNNING:
            served = unit[: -len(".socket")] + ".service" if unit.endswith(".socket") else ""
            if served in theirs and served in before:
                chosen.append({"kind": "stop", "unit": served})  # it is started behind its socket
            enable = ran_before[unit]["enabled"] in unitreturn.ENABLED
            chosen.append({"kind": "unit", "unit": unit, "action": "restart", "enable": enable})
    return chosen


def _action(then: Document, now: Document | None, active: str, *, is_owed: bool) -> str:
    if now is None or active not in RUNNING:
        return "restart" if active == "failed" else "start"
    if is_owed or then["restart_hash"] != now["restart_hash"]:
        return "restart"
    return "reload" if then["reload_hash"] != now["reload_hash"] else ""


def _settings(undone: Sequence[Journal]) -> list[Document]:
    """List the kernel's settings with the values that they had before the oldest of the undone transactions."""
    before: dict[str, str] = {}
    for one in undone:
        for note in one.doc.get("sysctls", []):
            before.setdefault(note["name"], note["before"])
    found = sysctls.observe(before, {})
    return [
        {"name": name, "value": value, "least": False}
        for name, value in before.items()
        if found[name]["value"] != value
    ]


def _dump_of(entry: Mapping[str, Any], one: Journal) -> str:
    """Name the dump taken before a migration, as long as it is kept."""
    named = (entry.get("database") or {}).get("name")
    dumped = [note["dump"]["file"] for note in one.doc.get("migrations", []) if note["dump"] and note["name"] == named]
    kept = [path for path in dumped if os.path.exists(places.at(path))]
    return f"; the dump taken before is {kept[0]}" if kept else ""


def _notes(undone: Sequence[Journal]) -> list[str]:
    """Say what was done since and has no way back."""
    notes = []
    for one in undone:
        for entry in one.doc.get("activations", []):
            if entry["kind"] == "command":
                notes.append(
                    f"what {entry['name']} of {one.identifier} wrote stays in its database{_dump_of(entry, one)}"
                )
            elif entry["kind"] == "database":
                notes.append(f"the database {entry['name']} of {one.identifier} stays")
        notes += [f"{kept} of {one.identifier} stay" for kept in one.doc.get("kept", [])]
    return notes
