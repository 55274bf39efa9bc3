// An SCTP server and client as Go programs have them: through github.com/ishidawataru/sctp, which makes its system calls by
// itself. The server sends back what it gets, on the same stream and with the same protocol identifier.
//
//	messages server ADDRESS PORT CLIENTS
//	messages client ADDRESS PORT MESSAGES
//
// A third one is a client whose socket does not wait, and which the runtime's own epoll loop waits for:
//
//	messages poller ADDRESS PORT MESSAGES
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/ishidawataru/sctp"
)

const streams = 5

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: messages server|client|poller ADDRESS PORT COUNT")
	}
	ip, err := net.ResolveIPAddr("ip", os.Args[2])
	check("address", err)
	port, err := strconv.Atoi(os.Args[3])
	check("port", err)
	count, err := strconv.Atoi(os.Args[4])
	check("count", err)
	address := &sctp.SCTPAddr{IPAddrs: []net.IPAddr{*ip}, Port: port}
	switch os.Args[1] {
	case "server":
		serve(address, count)
	case "client":
		talk(address, count)
	case "poller":
		poll(address, count)
	}
}

func serve(address *sctp.SCTPAddr, clients int) {
	listener, err := sctp.ListenSCTPExt("sctp", address, options())
	check("listen", err)
	fmt.Println("listening at", listener.Addr())
	var all sync.WaitGroup
	for ; clients > 0; clients-- {
		conn, err := listener.AcceptSCTP()
		check("accept", err)
		fmt.Println("connection from", conn.RemoteAddr())
		all.Add(1)
		go func() {
			defer all.Done()
			echo(conn)
		}()
	}
	all.Wait()
	check("close", listener.Close())
	fmt.Println("done")
}

func echo(conn *sctp.SCTPConn) {
	check("subscribe", conn.SubscribeEvents(sctp.SCTP_EVENT_DATA_IO))
	buffer := make([]byte, 1<<17)
	for {
		n, info, err := conn.SCTPRead(buffer)
		if err == io.EOF {
			break
		}
		check("read", err)
		_, err = conn.SCTPWrite(buffer[:n], &sctp.SndRcvInfo{Stream: info.Stream, PPID: info.PPID})
		check("write", err)
	}
	check("close", conn.Close())
}

func talk(address *sctp.SCTPAddr, messages int) {
	conn, err := sctp.DialSCTPExt("sctp", nil, address, options())
	check("connect", err)
	check("subscribe", conn.SubscribeEvents(sctp.SCTP_EVENT_DATA_IO))
	buffer := make([]byte, 1<<17)
	for i := 0; i < messages; i++ {
		sent := make([]byte, 1+i*7919%60000)
		for at := range sent {
			sent[at] = byte('a' + (i+at)%26)
		}
		info := &sctp.SndRcvInfo{Stream: uint16(i % streams), PPID: uint32(1000 + i)}
		_, err := conn.SCTPWrite(sent, info)
		check("write", err)
		n, got, err := conn.SCTPRead(buffer)
		check("read", err)
		if string(buffer[:n]) != string(sent) || got.Stream != info.Stream || got.PPID != info.PPID {
			log.Fatalf("message %d came back changed: %d of %d bytes, %+v", i, n, len(sent), got)
		}
	}
	fmt.Println("exchanged", messages, "messages with", conn.RemoteAddr())
	check("close", conn.Close())
}

func poll(address *sctp.SCTPAddr, messages int) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, syscall.IPPROTO_SCTP)
	check("socket", err)
	peer := &syscall.SockaddrInet4{Port: address.Port}
	copy(peer.Addr[:], address.IPAddrs[0].IP.To4())
	if err := syscall.Connect(fd, peer); err != syscall.EINPROGRESS {
		log.Fatal("connect: ", err)
	}
	file := os.NewFile(uintptr(fd), "sctp")
	raw, err := file.SyscallConn()
	check("poll", err)
	// Asked before each wait: the set-up may be over, and that have been told, before the first.
	check("poll", raw.Write(func(uintptr) bool {
		err = syscall.Connect(fd, peer)
		return err != syscall.EALREADY
	}))
	if err != syscall.EISCONN {
		log.Fatal("connect again: ", err)
	}
	outcome, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
	check("getsockopt", err)
	if outcome != 0 {
		log.Fatal("connect: ", syscall.Errno(outcome))
	}
	buffer := make([]byte, 1<<17)
	check("deadline", file.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if _, err := file.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		log.Fatal("read: ", err)
	}
	check("deadline", file.SetReadDeadline(time.Time{}))
	for i := 0; i < messages; i++ {
		sent := fmt.Sprint("message ", i)
		_, err := file.WriteString(sent)
		check("write", err)
		n, err := file.Read(buffer)
		check("read", err)
		if string(buffer[:n]) != sent {
			log.Fatalf("message %d came back changed: %q", i, buffer[:n])
		}
	}
	check("close", file.Close())
	fmt.Println("polled", messages, "messages")
}

func options() sctp.InitMsg {
	return sctp.InitMsg{NumOstreams: streams, MaxInstreams: streams}
}

func check(what string, err error) {
	if err != nil {
		log.Fatal(what, ": ", err)
	}
}
