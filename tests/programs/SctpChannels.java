import com.sun.nio.sctp.*;
import static com.sun.nio.sctp.SctpStandardSocketOptions.*;
import java.io.IOException;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.*;
import java.util.stream.*;

/**
 * SCTP as Java's com.sun.nio.sctp has it: a server that echoes (serve ADDRESS OTHER-ADDRESS PORT), and clients of both styles
 * (call ADDRESS OTHER-ADDRESS PORT).
 *
 * Written for any kernel with SCTP. Prints what it is done with; what is not as it should be raises.
 */
class SctpChannels {
    static final int ROOM = 200_000;

    public static void main(String[] arguments) throws Exception {
        List<InetAddress> server = List.of(InetAddress.getByName(arguments[1]), InetAddress.getByName(arguments[2]));
        int port = Integer.parseInt(arguments[3]);
        if (arguments[0].equals("serve")) {
            try (SctpMultiChannel many = SctpMultiChannel.open()) {
                many.bind(new InetSocketAddress(server.get(0), port + 1));
                serveOne(server, port);
                serveMany(many);
            }
        } else {
            callWithSelector(server, port);
            callMany(new InetSocketAddress(server.get(0), port + 1));
        }
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    /** Says what it is told, and ends a receive at the end of an association. */
    static class Listener extends AbstractNotificationHandler<String> {
        boolean isOver;

        @Override public HandlerResult handleNotification(AssociationChangeNotification change, String who) {
            System.out.println(who + ": " + change.event());
            isOver = change.event() == AssociationChangeNotification.AssocChangeEvent.SHUTDOWN;
            return isOver ? HandlerResult.RETURN : HandlerResult.CONTINUE;
        }
        @Override public HandlerResult handleNotification(ShutdownNotification shutdown, String who) {
            System.out.println(who + ": shutdown");
            return HandlerResult.RETURN;
        }
    }

    /** Echoes a client's messages on their streams, with their payload protocol identifiers, until it shuts down. */
    static void echo(SctpChannel channel, String who) throws IOException {
        ByteBuffer message = ByteBuffer.allocateDirect(ROOM);
        Listener listener = new Listener();
        for (MessageInfo in; (in = channel.receive(message, who, listener)) != null && in.bytes() >= 0; ) {
            if (!in.isComplete()) continue;
            message.flip();
            MessageInfo out = MessageInfo.createOutgoing(null, in.streamNumber());
            channel.send(message, out.payloadProtocolID(in.payloadProtocolID()).unordered(in.isUnordered()));
            message.clear();
        }
    }

    static void serveOne(List<InetAddress> addresses, int port) throws Exception {
        try (SctpServerChannel listener = SctpServerChannel.open()) {
            listener.setOption(SCTP_INIT_MAXSTREAMS, InitMaxStreams.create(7, 9));
            listener.bind(new InetSocketAddress(addresses.get(0), port));
            listener.bindAddress(addresses.get(1));
            check(hosts(listener.getAllLocalAddresses()).equals(Set.copyOf(addresses)), "local addresses");
            System.out.println("serving");
            try (SctpChannel channel = listener.accept()) {
                check(channel.association().maxInboundStreams() == 7, "streams: " + channel.association());
                echo(channel, "server");
            }
        }
    }

    static Set<InetAddress> hosts(Set<SocketAddress> addresses) {
        return addresses.stream().map(address -> ((InetSocketAddress) address).getAddress()).collect(Collectors.toSet());
    }

    static void callWithSelector(List<InetAddress> server, int port) throws Exception {
        try (SctpChannel channel = SctpChannel.open(); Selector selector = Selector.open()) {
            channel.setOption(SCTP_NODELAY, true);
            check(channel.getOption(SCTP_NODELAY), "SCTP_NODELAY");
            channel.setOption(SCTP_INIT_MAXSTREAMS, InitMaxStreams.create(20, 20));
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_CONNECT);
            check(!channel.connect(new InetSocketAddress(server.get(0), port)), "it takes time");
            while (!channel.finishConnect()) selector.select();
            check(hosts(channel.getRemoteAddresses()).equals(Set.copyOf(server)), "remote addresses");
            check(channel.association().maxOutboundStreams() == 7, "streams: " + channel.association());
            key.interestOps(SelectionKey.OP_READ);
            ByteBuffer answer = ByteBuffer.allocate(ROOM);
            check(channel.receive(answer, "client", new Listener()) == null, "nothing was sent");
            for (int length : new int[] {1, 1000, 100_000}) {
                int stream = length % 7;
                byte[] bytes = new byte[length];
                new Random(length).nextBytes(bytes);
                MessageInfo out = MessageInfo.createOutgoing(null, stream).payloadProtocolID(length).unordered(length == 1);
                check(channel.send(ByteBuffer.wrap(bytes), out) == length, "it is sent");
                MessageInfo in = receive(channel, selector, answer);
                check(in.streamNumber() == stream && in.payloadProtocolID() == length, "as it was sent: " + in);
                check(in.isUnordered() == (length == 1), "its order: " + in);
                check(answer.equals(ByteBuffer.wrap(bytes)), "its bytes");
                answer.clear();
            }
            channel.shutdown();
            check(receive(channel, selector, answer) == null, "the end");
        }
        System.out.println("one-to-one");
    }

    /** Waits for a whole message, in as many pieces as it comes. At the end there is none. */
    static MessageInfo receive(SctpChannel channel, Selector selector, ByteBuffer message) throws IOException {
        Listener listener = new Listener();
        while (!listener.isOver) {
            MessageInfo in = channel.receive(message, "client", listener);
            if (in != null && in.isComplete()) {
                message.flip();
                return in;
            }
            if (in == null && !listener.isOver) {
                selector.select();
                selector.selectedKeys().clear();
            }
        }
        return null;
    }

    static void serveMany(SctpMultiChannel channel) throws Exception {
        ByteBuffer message = ByteBuffer.allocate(ROOM);
        MessageInfo in = channel.receive(message, "many", new Listener());
        check(channel.associations().equals(Set.of(in.association())), "associations: " + channel.associations());
        message.flip();
        channel.send(message, MessageInfo.createOutgoing(in.association(), null, in.streamNumber()));
        try (SctpChannel branch = channel.branch(in.association())) {
            check(channel.associations().isEmpty(), "it has left: " + channel.associations());
            echo(branch, "branch");
        }
    }

    static void callMany(InetSocketAddress server) throws Exception {
        try (SctpMultiChannel channel = SctpMultiChannel.open()) {
            ByteBuffer answer = ByteBuffer.allocate(ROOM);
            for (String text : List.of("to many", "to the branch")) {
                channel.send(ByteBuffer.wrap(text.getBytes()), MessageInfo.createOutgoing(server, 3));
                MessageInfo in = channel.receive(answer, "client", new Listener());
                check(in.streamNumber() == 3 && in.address().equals(server), "whence: " + in);
                answer.flip();
                check(answer.equals(ByteBuffer.wrap(text.getBytes())), "its bytes");
                answer.clear();
            }
            Association association = channel.associations().iterator().next();
            channel.shutdown(association);
            Listener listener = new Listener();
            while (!listener.isOver) channel.receive(answer, "client", listener);
        }
        System.out.println("one-to-many");
    }
}
