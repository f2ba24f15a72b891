"""The tasks: what `invoke` and `deployer` offer. Each is a thin shell around a public function of the library.

No module with tasks is imported before one of its tasks runs (``declared``): a list or a help text takes no longer than
invoke itself.
"""

from __future__ import annotations

from invoke.collection import Collection

from deployer.tasks.declared import declared

#: Modules whose tasks go by their plain names.
PLAIN = (
    "hosts",
    "deploying",
    "loadtest",
    "adoption",
    "reports",
    "configs",
    "condition",
    "record",
    "doctor",
    "calibration",
    "climbing",
    "tunemysql",
    "demo",
)
#: Modules whose tasks go by the name of a collection before their own.
COLLECTIONS = {
    "sandbox": ("sandboxes",),
    "bench": (
        "bench",
        "benchcapacity",
        "benchcompare",
        "benchfleet",
        "benchgenerator",
        "benchsampler",
        "benchtunemysql",
        "binaries",
        "faults",
        "fill",
        "knee",
        "noop",
        "rivals",
    ),
    "dev": ("development",),
}

namespace = Collection()
for module in PLAIN:
    for task in declared(module).values():
        namespace.add_task(task)
for name, modules in COLLECTIONS.items():
    collection = Collection(name)
    for module in modules:
        for task in declared(module).values():
            collection.add_task(task)
    namespace.add_collection(collection)
