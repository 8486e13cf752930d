# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The Timeball authors
"""A client of key establishment (RFC 8915, section 4) as small as can be, for load and for rudeness: what comes of
the keys is the business of real clients. Also a program of its own:

keys.py ADDRESS PORT TRUSTED SECONDS   establishes keys one after the other, and prints [good, [failures]]
keys.py ADDRESS PORT lie COUNT         connects so many times, sends half of a hello, prints how many are open, and
                                       opens again what is closed, until its input ends
"""

import json
import select
import socket
import ssl
import struct
import sys
import time

END, NEXT_PROTOCOL, ERROR, AEAD, COOKIE, SERVER, PORT = 0, 1, 2, 4, 5, 6, 7
CRITICAL = 0x8000


def record(kind, body=b""):
    return struct.pack("!HH", kind, len(body)) + body


REQUEST = (record(CRITICAL | NEXT_PROTOCOL, b"\0\0") + record(AEAD, struct.pack("!H", 15)) + record(CRITICAL | END))


def records(answer):
    """[(kind without the critical bit, body)]"""
    found = []
    while answer:
        kind, length = struct.unpack_from("!HH", answer)
        found.append((kind & ~CRITICAL, answer[4:4 + length]))
        answer = answer[4 + length:]
    return found


def context(trusted=None, alpn="ntske/1"):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED if trusted else ssl.CERT_NONE
    if trusted:
        made.load_verify_locations(trusted)
    if alpn:
        made.set_alpn_protocols([alpn])
    return made


def connect(address, port=4460, limit=30, source=None):
    made = socket.create_connection((address, port), limit, (source, 0) if source else None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def establish(address, port=4460, trusted=None, request=REQUEST, made=None, source=None, limit=30):
    """(records of the answer, certificate of the server in DER)"""
    with connect(address, port, limit, source) as plain:
        with (made or context(trusted)).wrap_socket(plain) as secure:
            secure.sendall(request)
            answer = b""
            while data := secure.recv(65536):
                answer += data
            return records(answer), secure.getpeercert(True)


def cookies(found):
    return [body for kind, body in found if kind == COOKIE]


def repeat(address, port, trusted, seconds):
    good, failures, made = 0, [], context(trusted)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            good += len(cookies(establish(address, port, made=made)[0])) == 8
        except OSError as error:
            failures.append(repr(error))
    return [good, failures]


# The beginning of a TLS record of 512 bytes: whoever reads it waits for the rest.
HALF = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def lie(address, port, count):
    """Holds so many connections, as well as the server lets it."""
    poll, held, opened = select.epoll(), {}, 0
    poll.register(sys.stdin, select.EPOLLIN)

    def one_more():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        made.setblocking(False)
        made.connect_ex((address, port))
        held[made.fileno()] = made
        poll.register(made, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    told = False
    while True:
        for _ in range(min(500, count - len(held))):
            one_more()
        for number, event in poll.poll(0.1 if len(held) == count else 0):
            if number == sys.stdin.fileno():
                print(json.dumps({"opened": opened}), flush=True)
                return
            made = held[number]
            if event & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLIN):
                poll.unregister(made)
                held.pop(number).close()
            elif event & select.EPOLLOUT:
                opened += 1
                try:
                    made.send(HALF)
                except OSError:
                    pass
        if opened >= count and not told:
            told = True
            print(json.dumps({"held": len(held)}), flush=True)


if __name__ == "__main__":
    if sys.argv[3] == "lie":
        lie(sys.argv[1], int(sys.argv[2]), int(sys.argv[4]))
    else:
        print(json.dumps(repeat(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))))
