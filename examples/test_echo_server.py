# SPDX-License-Identifier: MIT
"""A thousand connections to echo_server at once, and the ways they end."""

import asyncio
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
PROGRAM, SCRIPT = sys.argv[1], os.path.join(HERE, "echo_server.luau")
TIME_LIMIT_S = 120
CONNECTIONS = 1000
DESCRIPTORS = CONNECTIONS + 100  # of each process
SKIPPED = 77


def raise_descriptor_limit():
    """As the server does; False when the system does not allow enough."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    return True


def message(number):
    """What a connection says: all differ, some are longer than a read."""
    return f"connection {number};".encode() * (1 + number * 7 % 1500)


def reset(connection):
    """Closes as a crash would: the other side gets an error, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# What the script that comes with the server has no need of.
OTHER_SCRIPT = """
local listener = listen(PORT)
print("listening on port", listener:port())
print(pcall(listen, listener:port()))
local read_from, written_to, connection = listener:accept(), listener:accept(), listener:accept()
task.cancel(task.spawn(read_from.read, read_from))
print(pcall(read_from.read, read_from))
task.cancel(task.spawn(written_to.write, written_to, string.rep("much", 1e7)))
print(pcall(written_to.write, written_to, "more"))
local acceptor = task.spawn(listener.accept, listener)
print(pcall(listener.accept, listener))
task.cancel(acceptor)
print(pcall(listener.accept, listener))
task.defer(connection.close, connection)
print(pcall(connection.read, connection))
print(pcall(connection.write, connection, "late"))
print(pcall(connection.read, listener))
"""


class EchoServer(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, lambda *_: self.fail("it takes too long"))
        signal.alarm(TIME_LIMIT_S)

    def start(self, script):
        self.server = subprocess.Popen(
            [PROGRAM, script, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.stderr.close)
        line = self.server.stdout.readline()
        self.assertRegex(line, r"^listening on port\t\d+\n$")
        self.port = int(line.split()[-1])

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), TIME_LIMIT_S)
        self.addCleanup(connection.close)
        return connection

    def exchange(self, connection, data=b"hello"):
        connection.sendall(data)
        self.assertEqual(connection.recv(len(data), socket.MSG_WAITALL), data)

    def assert_ends(self, lines):
        # Not communicate(): it would miss what readline() has buffered.
        self.assertEqual(self.server.stdout.read().splitlines(), lines)
        self.assertEqual(self.server.stderr.read(), "")
        self.assertEqual(self.server.wait(), 0)

    async def talk(self, number, all_are_open):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        await all_are_open(number)
        writer.write(message(number))
        if number % 2:
            writer.write_eof()
            answer = await reader.read(-1)
        else:
            answer = await reader.readexactly(len(message(number)))
        self.assertEqual(answer, message(number))
        writer.close()
        await writer.wait_closed()

    async def talk_at_once(self):
        opened, everybody = set(), asyncio.Event()

        async def all_are_open(number):
            opened.add(number)
            if len(opened) == CONNECTIONS:
                everybody.set()
            await everybody.wait()

        await asyncio.gather(*(self.talk(i, all_are_open) for i in range(CONNECTIONS)))

    def test_a_thousand_at_once(self):
        self.start(SCRIPT)
        asyncio.run(asyncio.wait_for(self.talk_at_once(), TIME_LIMIT_S))
        self.exchange(self.connect())
        self.server.send_signal(signal.SIGTERM)
        total = 1 + CONNECTIONS + 1
        self.assert_ends([f"sockets opened: {total}, closed: {total}"])

    def test_handlers_that_are_cancelled(self):
        self.start(SCRIPT)
        idle = [self.connect() for _ in range(10)]
        for connection in idle:
            self.exchange(connection)
        self.connect().sendall(b"stop\n")
        for connection in idle:
            self.assertEqual(connection.recv(1), b"")
        self.assert_ends(["stopping", "sockets opened: 12, closed: 12"])

    def test_connections_that_are_lost(self):
        self.start(SCRIPT)
        for _ in range(3):
            connection = self.connect()
            self.exchange(connection)
            reset(connection)
            line = self.server.stdout.readline()
            self.assertEqual(line, "lost a connection:\tconnection reset by peer\n")
        self.server.send_signal(signal.SIGINT)
        self.assert_ends(["sockets opened: 4, closed: 4"])

    def test_an_end_while_it_writes(self):
        self.start(SCRIPT)
        connection = self.connect()
        connection.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            while True:  # until nobody takes any more: it waits for us to read
                connection.sendall(bytes(1 << 20))
        self.server.send_signal(signal.SIGTERM)
        self.assert_ends(["sockets opened: 2, closed: 2"])

    def test_sockets_that_are_in_use_or_closed(self):
        with tempfile.NamedTemporaryFile("w", suffix=".luau") as script:
            script.write(OTHER_SCRIPT)
            script.flush()
            self.start(script.name)
            for _ in range(3):
                self.connect()
            self.assert_ends(
                [
                    "false\tcannot listen: address already in use",
                    "false\tconnection is closed",
                    "false\tconnection is closed",
                    "false\tanother thread is waiting for this listener",
                    "false\tlistener is closed",
                    "false\toperation canceled",
                    "false\tconnection is closed",
                    "false\tinvalid argument #1 to 'read' (connection expected, got listener)",
                    "sockets opened: 5, closed: 5",
                ]
            )


if __name__ == "__main__":
    if not raise_descriptor_limit():
        print(f"this system allows fewer than {DESCRIPTORS} descriptors")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1])
