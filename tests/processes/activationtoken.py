# SPDX-License-Identifier: 0BSD
"""Asks the Wayland compositor for an activation token (xdg-activation-v1), as a launcher does, and prints it. Speaks the wire protocol itself."""
import os
import socket
import struct
import sys

DISPLAY, REGISTRY, CALLBACK, ACTIVATION, TOKEN = 1, 2, 3, 4, 5  # ours to number, but for the first
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.path.join(os.environ.get("XDG_RUNTIME_DIR", ""), os.environ["WAYLAND_DISPLAY"]))


def text(string):
    raw = string.encode() + b"\0"
    return struct.pack("=I", len(raw)) + raw + b"\0" * (-len(raw) % 4)


def request(number, opcode, content=b""):
    connection.sendall(struct.pack("=IHH", number, opcode, 8 + len(content)) + content)


def received(size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            sys.exit("the compositor has gone")
        data += more
    return data


def string_in(content, at):
    size, = struct.unpack_from("=I", content, at)
    return content[at + 4:at + 4 + size - 1].decode()


request(DISPLAY, 1, struct.pack("=I", REGISTRY))  # get_registry
request(DISPLAY, 0, struct.pack("=I", CALLBACK))  # sync
while True:
    number, opcode, size = struct.unpack("=IHH", received(8))
    content = received(size - 8)
    if number == DISPLAY and opcode == 0:
        sys.exit("the compositor objects: " + string_in(content, 8))
    if number == REGISTRY and opcode == 0 and string_in(content, 4) == "xdg_activation_v1":
        request(REGISTRY, 0, content[:4] + text("xdg_activation_v1") + struct.pack("=II", 1, ACTIVATION))  # bind
        request(ACTIVATION, 1, struct.pack("=I", TOKEN))  # get_activation_token
        request(TOKEN, 3)  # commit
    elif number == TOKEN:
        print(string_in(content, 0))
        break
