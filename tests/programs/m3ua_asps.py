"""Application servers of M3UA (RFC 4666) or SUA (RFC 3868) at a signalling gateway: m3ua_asps.py ADDRESS m3ua|sua.

With M3UA two of them register a point code each, and one sends to the other what the gateway has to carry.
Written for any kernel with SCTP. Each step is printed; what is not as it should be raises.
"""
import socket
import struct
import sys

IPPROTO_SCTP = 132
# <linux/sctp.h>
SCTP_RECVRCVINFO, SCTP_SNDINFO, SCTP_RCVINFO = 32, 2, 3
PORTS = {"m3ua": 2905, "sua": 14001}
# The payload protocol identifiers that IANA assigned.
PPIDS = {"m3ua": 3, "sua": 4}
# RFC 4666, 3.1.2: class and type.
NOTIFY, DATA = (0, 1), (1, 1)
UP, UP_ACK, BEAT, BEAT_ACK = (3, 1), (3, 4), (3, 3), (3, 6)
ACTIVE, ACTIVE_ACK = (4, 1), (4, 3)
REGISTER, REGISTERED = (9, 1), (9, 2)
# RFC 4666, 3.2: parameters.
ROUTING_CONTEXT, HEARTBEAT_DATA, ROUTING_KEY, LOCAL_KEY, POINT_CODE = 6, 9, 0x207, 0x20A, 0x20B
REGISTRATION, REGISTRATION_STATUS, PROTOCOL_DATA = 0x208, 0x212, 0x210
SCCP, NATIONAL = 3, 2


def parameter(tag, value):
    return struct.pack("!HH", tag, 4 + len(value)) + value + bytes(-len(value) % 4)


def parameters(text):
    found = {}
    while text:
        tag, length = struct.unpack_from("!HH", text)
        found[tag] = text[4:length]
        text = text[length + -length % 4:]
    return found


class Asp:
    def __init__(self, address, protocol):
        self.ppid = PPIDS[protocol]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP)
        self.socket.settimeout(30)
        self.socket.setsockopt(IPPROTO_SCTP, SCTP_RECVRCVINFO, 1)
        self.socket.connect((address, PORTS[protocol]))

    def send(self, kind, body=b"", stream=0):
        message = struct.pack("!BBBBI", 1, 0, *kind, 8 + len(body)) + body
        info = struct.pack("=HHIII", stream, 0, socket.htonl(self.ppid), 0, 0)
        self.socket.sendmsg([message], [(IPPROTO_SCTP, SCTP_SNDINFO, info)])

    def receive(self, wanted):
        """The parameters of the next message, which must be of this kind; notifications of states are passed over."""
        while True:
            message, control, _, _ = self.socket.recvmsg(4096, 256)
            infos = [data for level, kind, data in control if (level, kind) == (IPPROTO_SCTP, SCTP_RCVINFO)]
            ppids = [socket.ntohl(struct.unpack_from("=HHHxxI", info)[3]) for info in infos]
            assert ppids == [self.ppid], ppids
            kind, length = (message[2], message[3]), struct.unpack_from("!I", message, 4)[0]
            assert length == len(message), message
            if kind != NOTIFY:
                assert kind == wanted, (kind, wanted, message)
                return parameters(message[8:])

    def up(self):
        self.send(UP)
        self.receive(UP_ACK)
        print("ASP up")

    def beat(self):
        self.send(BEAT, parameter(HEARTBEAT_DATA, b"beat"))
        assert self.receive(BEAT_ACK)[HEARTBEAT_DATA] == b"beat"
        print("heartbeat answered")

    def serve(self, point_code):
        key = parameter(LOCAL_KEY, struct.pack("!I", 1)) + parameter(POINT_CODE, struct.pack("!I", point_code))
        self.send(REGISTER, parameter(ROUTING_KEY, key))
        result = parameters(self.receive(REGISTERED)[REGISTRATION])
        assert result[REGISTRATION_STATUS] == bytes(4), result
        self.context = result[ROUTING_CONTEXT]
        self.send(ACTIVE, parameter(ROUTING_CONTEXT, self.context))
        self.receive(ACTIVE_ACK)
        print(f"ASP active for {point_code}")


def carry(a, b):
    """The gateway carries a message between the point codes 23 and 42 (RFC 4666, 3.3.1)."""
    header = struct.pack("!IIBBBB", 23, 42, SCCP, NATIONAL, 0, 1)
    # Data does not go on stream 0 (RFC 4666, 1.4.7).
    a.send(DATA, parameter(ROUTING_CONTEXT, a.context) + parameter(PROTOCOL_DATA, header + b"signalling"), 1)
    assert b.receive(DATA)[PROTOCOL_DATA] == header + b"signalling"
    print("carried from 23 to 42")


def main(address, protocol):
    asps = [Asp(address, protocol), Asp(address, protocol)]
    for asp in asps:
        asp.up()
        asp.beat()
    if protocol == "m3ua":
        for asp, point_code in zip(asps, (23, 42)):
            asp.serve(point_code)
        carry(*asps)
    print("done")


main(*sys.argv[1:])
