"""Sockets of SCTP as Python's module makes them, in both styles: sctp_sockets.py ADDRESS.

Written for any kernel with SCTP. Prints a style once it is done with it; what is not as it should be raises.
"""
import os
import select
import socket
import sys
import tempfile
import threading

IPPROTO_SCTP = 132
SCTP_NODELAY = 3
LIMIT = 30


def sctp(style):
    made = socket.socket(socket.AF_INET, style, IPPROTO_SCTP)
    made.settimeout(LIMIT)
    return made


def serve(listener):
    """Echoes messages to one client after the other until it says `stop`."""
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(LIMIT)
            while message := connection.recv(65536):
                connection.sendall(message)
        if message == b"" and stopping.is_set():
            return


stopping = threading.Event()


def one_to_one(address):
    listener = sctp(socket.SOCK_STREAM)
    listener.bind((address, 0))
    listener.listen()
    server = threading.Thread(target=serve, args=(listener,))
    server.start()
    with sctp(socket.SOCK_STREAM) as client:
        client.setsockopt(IPPROTO_SCTP, SCTP_NODELAY, 1)
        assert client.getsockopt(IPPROTO_SCTP, SCTP_NODELAY) == 1
        client.connect(listener.getsockname())
        assert client.getpeername() == listener.getsockname()
        for length in (1, 1000, 60000):
            message = os.urandom(length)
            client.sendall(message)
            received = b""
            while len(received) < length:
                received += client.recv(length)
            assert received == message
        client.settimeout(0.05)
        try:
            client.recv(1)
            raise AssertionError("nothing was sent")
        except TimeoutError:
            client.settimeout(LIMIT)
        with tempfile.TemporaryFile() as file:
            file.write(b"from a file")
            file.seek(0)
            assert client.sendfile(file) == 11
        assert client.recv(100) == b"from a file"
        stopping.set()
    server.join(LIMIT)
    assert not server.is_alive()
    print("one-to-one")


def one_to_many(address):
    server, a, b = (sctp(socket.SOCK_SEQPACKET) for _ in range(3))
    server.bind((address, 0))
    server.listen()
    for client, message in ((a, b"from a"), (b, b"from b")):
        client.sendto(message, server.getsockname())
        assert select.select([server], [], [], LIMIT)[0] == [server]
        received, peer = server.recvfrom(100)
        assert received == message
        server.sendto(received.upper(), peer)
        assert client.recvfrom(100)[0] == message.upper()
    for made in (a, b, server):
        made.close()
    print("one-to-many")


one_to_one(sys.argv[1])
one_to_many(sys.argv[1])
