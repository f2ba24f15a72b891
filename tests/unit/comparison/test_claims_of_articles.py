"""Claims: the arithmetic of the link, the search for the most, the ledger, and the table."""

from pathlib import Path

import pytest

from deployer.comparison.claims import (
    CLAIMS,
    Finding,
    ceiling_per_s,
    claims_table,
    most_within,
    verdict,
    wire_bytes,
)
from deployer.comparison.ledger import ledger_findings, lint_findings, missing
from deployer.inventory import load_inventory

ROOT = Path(__file__).parents[3]
COMMANDS = {claim.key: f"invoke bench.claims --only {claim.key}" for claim in CLAIMS}


def test_187_is_2_kb_without_anything_around_it():
    assert ceiling_per_s(3, 2000) == pytest.approx(187.5)
    assert ceiling_per_s(3, 2048) == pytest.approx(183.1, abs=0.1)


def test_an_answer_takes_more_on_the_wire():
    # 2348 bytes fill two segments of 1448
    assert wire_bytes(2348, tls=False) == 2348 + 2 * 66
    assert wire_bytes(2348, tls=True) == 2348 + 22 + 2 * 66
    # more than 4 KiB are two records
    assert wire_bytes(5000, tls=True) == 5000 + 2 * 22 + 4 * 66
    assert ceiling_per_s(3, wire_bytes(2348, tls=True)) == pytest.approx(149.9, abs=0.1)


@pytest.mark.parametrize("truth", [0, 1, 37, 500, 1024])
def test_the_most_is_found_to_one_part_in_sixteen(truth):
    asked = []

    def keeps(number):
        asked.append(number)
        return number <= truth

    found = most_within(1024, keeps)
    assert found <= truth
    assert truth - found <= max(1, found // 16)
    assert len(asked) <= 11


def one(value, sign="", bound=0.0, what="thing", **more):
    return Finding(claim="link", what=what, value=value, sign=sign, bound=bound, **more)


def test_verdicts():
    assert verdict([one(200, ">=", 187)]) == "yes"
    assert verdict([one(150, ">=", 187)]) == "no"
    assert verdict([one(187, "<=", 187)]) == "yes"
    assert verdict([one(200, ">=", 187), one(150, ">=", 187)]) == "in 1 of 2 runs"
    assert verdict([one(150)]) == "stated"
    assert verdict([one(None, ">=", 187)]) == "not measured"
    assert verdict([one(200, ">=", 187), one(None, ">=", 187)]) == "in 1 of 2 runs", "that run had errors"
    assert verdict([one(150, ">=", 187), one(None, ">=", 187)]) == "no"


def test_the_table_has_every_run_once_and_a_command_for_each_claim():
    runs = [[one(149.0, ">=", 187, unit="requests/s", note="no tbf")], [one(151.0, ">=", 187, unit="requests/s")]]
    table = claims_table(runs, COMMANDS)
    [row] = [line for line in table.splitlines() if "thing" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "187 requests/s of 2 KB on 3 Mbit/s",
        "thing (no tbf)",
        "150 requests/s (149, 151)",
        ">= 187 requests/s",
        "no",
        "`invoke bench.claims --only link`",
    ]


def test_a_claim_and_its_command_stand_in_its_first_row_alone():
    table = claims_table([[one(1.0, what="first"), one(2.0, what="second")]], COMMANDS)
    assert table.count("187 requests/s of 2 KB") == 1
    assert table.count("bench.claims --only link") == 1
    assert "second" in table


def test_what_a_host_declares_of_itself_lacks_nothing():
    assert missing(load_inventory([ROOT / "inventories"]).entry("blog1").declaration) == 0


def test_what_articles_repeat_does_not_fit_a_gibibyte():
    entry = load_inventory([ROOT / "inventories"]).entry("blog1")
    missing_mib = {finding.what.partition(":")[0]: finding.value for finding in ledger_findings(entry)}
    assert missing_mib["buffer pool of 512 MiB"] > 300
    assert missing_mib["100 connections of the database"] > 50
    assert missing_mib["3 processes with pools of 30"] > missing_mib["3 processes with pools of 10"] > 0
    assert missing_mib["all of it, pools of 30"] > missing_mib["buffer pool of 512 MiB"]


def test_the_articles_configs_may_take_many_times_their_grants():
    entry = load_inventory([ROOT / "inventories"]).entry("blog1")
    found = lint_findings(entry)
    assert len(found) == 2, "one for the database, one for nginx"
    for finding in found:
        assert finding.value > 5 * finding.bound
        assert finding.holds is False
    assert "innodb_buffer_pool_size 512" in found[0].note
