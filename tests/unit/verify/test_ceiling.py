"""What a link carries: held against what was counted on the wire."""

from dataclasses import replace

import pytest
from samples_of_load import TARGET, measured

from deployer.verify.ceiling import link_ceiling_req_per_s, link_mbit_per_s, wire_bytes

THIN = replace(TARGET, bandwidth_mbit_per_s=3.0)


def test_a_page_of_one_packet_weighs_what_was_counted():
    # a body of 1027 bytes with its head of 246 took 1341 bytes on the wire (measured without TLS)
    assert wire_bytes(1027 + 246, tls=False) == pytest.approx(1341, abs=3)


@pytest.mark.parametrize(
    ("answer", "tls", "wire"),
    [
        (100, False, 166),
        (1448, False, 1514),
        (1449, False, 1449 + 2 * 66),
        (1448, True, 1448 + 22 + 2 * 66),
        (16 * 1024, True, 16 * 1024 + 22 + 12 * 66),
        (16 * 1024 + 1, True, 16 * 1024 + 1 + 44 + 12 * 66),
    ],
)
def test_each_packet_and_each_record_has_its_head(answer, tls, wire):
    assert wire_bytes(answer, tls=tls) == wire


def test_the_ceiling_is_the_link_by_the_weight():
    plain = replace(THIN, tls=False)
    phase = measured("cached", bytes_per_answer=1275.0)
    assert link_ceiling_req_per_s(phase, plain) == pytest.approx(279.6, abs=0.1)
    assert link_mbit_per_s(replace(phase, req_per_s=279.6), plain) == pytest.approx(3.0, abs=0.01)


def test_an_unknown_link_and_an_unknown_page_have_none():
    assert link_ceiling_req_per_s(measured("cached"), TARGET) is None
    assert link_ceiling_req_per_s(measured("cached", done=0), THIN) is None
