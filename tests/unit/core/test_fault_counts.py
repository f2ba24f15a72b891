"""How the cases of the fault sweep are counted and shown."""

from deployer.report.faultcounts import counted, sentence, table

CASES = [
    ("agent killed", "old"),
    ("disk full", "new"),
    ("agent killed", "wrong"),
    ("disk full", "old, said unknown"),
    ("agent killed", "old"),
]


def test_cases_are_counted_by_fault_in_their_order():
    assert list(counted(CASES)) == ["agent killed", "disk full"]
    assert counted(CASES)["agent killed"] == {"old": 2, "wrong": 1}


def test_the_sentence_always_says_how_many_were_wrong():
    assert sentence(counted(CASES).values()) == "5 cases: 2 old, 1 new, 1 old, said unknown, 1 wrong"
    assert sentence(counted([("power cut", "old")]).values()) == "1 cases: 1 old, 0 new, 0 wrong"


def test_the_table_has_a_line_for_each_fault():
    assert table(counted(CASES)).splitlines() == [
        "| fault        | cases | old | new | said unknown, then old or new | wrong |",
        "|--------------|------:|----:|----:|------------------------------:|------:|",
        "| agent killed |     3 |   2 |   0 |                             0 |     1 |",
        "| disk full    |     2 |   0 |   1 |                             1 |     0 |",
    ]
