"""Orders from threads to the central task: each once, in the order of its thread, also when one fails."""

import threading
from collections.abc import Iterator

import pytest

from connhandler import BackgroundService, CentralTask, Service, ServiceEnded
from connhandler.testing import check_leaks
from connman.orders import ORDERS_BETWEEN_WAITS, Orders


@pytest.fixture
def service() -> Iterator[BackgroundService]:
    with check_leaks():
        service = BackgroundService("orders", lambda: Service(CentralTask("orders"), [], owns_process=False))
        service.start()
        yield service
        assert service.close(20)


def test_many_threads_give_orders(service: BackgroundService) -> None:
    orders = Orders(service)
    done: list[tuple[int, int]] = []

    def give(thread: int) -> None:
        for n in range(1_000):
            orders.give(done.append, (thread, n))

    threads = [threading.Thread(target=give, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    service.call(int)
    assert len(done) == 5_000
    for number in range(5):
        assert [n for thread, n in done if thread == number] == list(range(1_000))


def test_orders_come_before_a_later_call(service: BackgroundService) -> None:
    orders = Orders(service)
    done: list[int] = []
    for n in range(100):
        orders.give(done.append, n)
    service.call(done.append, 100)
    assert done == list(range(101))


def test_an_order_that_fails_costs_itself_only(service: BackgroundService, caplog: pytest.LogCaptureFixture) -> None:
    orders = Orders(service)
    done: list[int] = []
    for n in range(5):
        orders.give(done.append, n)
        orders.give([].remove, n)
    for _ in range(10):
        service.call(int)
    assert done == [0, 1, 2, 3, 4]
    assert "list.remove" in caplog.text


def test_who_only_gives_orders_waits_now_and_then() -> None:
    with check_leaks():
        central = CentralTask("orders")
        service = BackgroundService("orders", lambda: Service(central, [], owns_process=False))
        service.start()
        orders, most = Orders(service), 0

        def give() -> None:
            nonlocal most
            for _ in range(10 * ORDERS_BETWEEN_WAITS):
                orders.give(int)
                most = max(most, len(orders._waiting))

        giving = threading.Thread(target=give)
        giving.start()
        giving.join(20)
        assert 0 < most <= ORDERS_BETWEEN_WAITS
        assert service.close(20)
        with pytest.raises(ServiceEnded):
            orders.give(int)
        assert not orders._waiting
