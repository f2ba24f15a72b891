"""The feed's listeners: bounded in number, and in what waits for them."""

import asyncio

import pytest
from feed.hub import WAITING, FullError, Hub, Message, is_message_id, is_newer
from feed.settings import SettingsError, settings


def message(number):
    return Message(f"{number}-0", f"number {number}")


async def read_all(listener):
    found = []
    while (got := await listener.next()) is not None:
        found.append(got.text)
    return found


def test_everybody_gets_every_message_until_the_end():
    async def run():
        hub = Hub(2)
        one, two = hub.join(), hub.join()
        hub.hand_out(message(1))
        hub.leave(two)
        hub.hand_out(message(2))
        hub.end()
        two.end()
        hub.hand_out(message(3))
        return await read_all(one), await read_all(two)

    assert asyncio.run(run()) == (["number 1", "number 2"], ["number 1"])


def test_there_is_room_for_so_many():
    hub = Hub(1)
    only = hub.join()
    with pytest.raises(FullError):
        hub.join()
    hub.leave(only)
    hub.leave(only)
    hub.join()


def test_one_who_does_not_keep_up_is_let_go_and_the_others_are_not():
    async def run():
        hub = Hub(2)
        slow, quick = hub.join(), hub.join()
        for number in range(WAITING + 50):
            hub.hand_out(message(number))
            await quick.next()
        return await read_all(slow), quick.is_over

    got, is_over = asyncio.run(run())
    assert len(got) == WAITING
    assert not is_over


def test_a_message_of_many_lines_is_one_event():
    assert Message("1-2", "a\r\nb\n\nid: 9").event() == b"id: 1-2\ndata: a\ndata: b\ndata: \ndata: id: 9\n\n"
    assert Message("1-2", "").event() == b"id: 1-2\ndata: \n\n"


@pytest.mark.parametrize("text", ["", "5", "-", "1-", "1-2-3", "$", "+", "1-2\n", "9" * 21 + "-0"])
def test_what_is_no_id_is_not_asked_for(text):
    assert not is_message_id(text)


def test_ids_are_numbers():
    assert is_message_id("1795260030474-0")
    assert is_newer("10-0", "9-5")
    assert is_newer("9-10", "9-9")
    assert not is_newer("9-5", "9-5")


def test_the_environment_tells_all():
    assert settings({}).listeners == 500
    assert settings({"REDIS_SOCKET": "/r", "REDIS_POOL_SIZE": "2"}).redis_pool_size == 2
    for name, value in (("REDIS_POOL_SIZE", "1"), ("FEED_LISTENERS", "0"), ("FEED_LISTENERS", "x")):
        with pytest.raises(SettingsError, match=name):
            settings({name: value})
