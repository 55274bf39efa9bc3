// An SCTP server and client as Go programs have them: through github.com/ishidawataru/sctp, which makes its system calls by
// itself. The server sends back what it gets, on the same stream and with the same protocol identifier.
//
//	messages server ADDRESS PORT CLIENTS
//	messages client ADDRESS PORT MESSAGES
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/ishidawataru/sctp"
)

const streams = 5

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: messages server|client ADDRESS PORT COUNT")
	}
	ip, err := net.ResolveIPAddr("ip", os.Args[2])
	check("address", err)
	port, err := strconv.Atoi(os.Args[3])
	check("port", err)
	count, err := strconv.Atoi(os.Args[4])
	check("count", err)
	address := &sctp.SCTPAddr{IPAddrs: []net.IPAddr{*ip}, Port: port}
	if os.Args[1] == "server" {
		serve(address, count)
	} else {
		talk(address, count)
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

func options() sctp.InitMsg {
	return sctp.InitMsg{NumOstreams: streams, MaxInstreams: streams}
}

func check(what string, err error) {
	if err != nil {
		log.Fatal(what, ": ", err)
	}
}
