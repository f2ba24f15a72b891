"""The tasks: what `invoke` and `deployer` offer. Each is a thin shell around a public function of the library."""

from __future__ import annotations

from invoke.collection import Collection

from deployer.tasks import (
    bench,
    binaries,
    condition,
    configs,
    demo,
    development,
    doctor,
    faults,
    fill,
    hosts,
    noop,
    record,
    rivals,
    sandboxes,
)

namespace = Collection()
for task in (
    hosts.hosts,
    hosts.budget,
    hosts.explain,
    hosts.render,
    configs.lint,
    hosts.plan,
    hosts.deploy,
    hosts.verify,
    condition.status,
    condition.drift,
    condition.logs,
    record.history,
    record.rollback,
    record.recover,
    doctor.doctor,
    demo.demo,
):
    namespace.add_task(task)
namespace.add_collection(Collection.from_module(sandboxes, name="sandbox"))
benchmarks = Collection.from_module(bench, name="bench")
benchmarks.add_task(fill.fill_host, name="fill")
benchmarks.add_task(noop.noop)
benchmarks.add_task(rivals.compare, name="rivals")
benchmarks.add_task(binaries.servers)
benchmarks.add_task(faults.faults)
namespace.add_collection(benchmarks)
namespace.add_collection(Collection.from_module(development, name="dev"))
