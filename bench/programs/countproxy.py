"""Pass TCP connections on to one address and count the bytes of both directions.

    python countproxy.py HOST PORT

Prints the port it listens on (127.0.0.1); then, for every line on stdin, the bytes sent to and
received from the address since the line before. Ends when stdin does.
"""

import socket
import sys
import threading

_BLOCK = 1 << 18


class Counter:
    """Bytes per direction, counted by many threads."""

    def __init__(self) -> None:
        self.bytes = [0, 0]
        self.lock = threading.Lock()

    def add(self, direction: int, count: int) -> None:
        with self.lock:
            self.bytes[direction] += count

    def take(self) -> list[int]:
        """The counts since the last call."""
        with self.lock:
            taken, self.bytes = self.bytes, [0, 0]
        return taken


def pump(source: socket.socket, target: socket.socket, direction: int, counter: Counter) -> None:
    """Everything from one side to the other, then the end of it."""
    try:
        while block := source.recv(_BLOCK):
            counter.add(direction, len(block))
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # a side that went away: the other one is told
        for end in (source, target):
            end.close()


def serve(listener: socket.socket, address: tuple[str, int], counter: Counter) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(address)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target, direction in ((client, server, 0), (server, client, 1)):
            threading.Thread(target=pump, args=(source, target, direction, counter), daemon=True).start()


def main() -> None:
    counter = Counter()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    address = (sys.argv[1], int(sys.argv[2]))
    threading.Thread(target=serve, args=(listener, address, counter), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(*counter.take(), flush=True)


if __name__ == "__main__":
    main()
