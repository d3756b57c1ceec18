// The way from the load's feed to an etcd cluster: every transaction is one put, answered when etcd answers.
//
//	etcd-peer --endpoints 127.0.0.1:2379,... --feeds 0.sock,1.sock,...
//
// It stands where a client would stand, so its CPU time is the load's, not etcd's.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// The answers of bench/load/feed.py.
const (
	committed byte = 0
	busy      byte = 1
	refused   byte = 2
)

const (
	maxRequestBytes = 65_536
	// Puts of one feed under way; what comes beyond is told that it is busy.
	underWay   = 4_096
	putTimeout = 60 * time.Second
	keyBytes   = 32
	headBytes  = 96
)

type answer struct {
	number uint32
	what   byte
}

func main() {
	endpoints := flag.String("endpoints", "", "one for each feed")
	feeds := flag.String("feeds", "", "paths of the sockets")
	flag.Parse()
	if err := run(strings.Split(*endpoints, ","), strings.Split(*feeds, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoints, feeds []string) error {
	for at, path := range feeds {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: endpoints[at : at+1], DialTimeout: putTimeout, Logger: zap.NewNop(),
		})
		if err != nil {
			return err
		}
		defer client.Close()
		if err := ready(client); err != nil {
			return err
		}
		listener, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		defer listener.Close()
		go accept(listener, client)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	return nil
}

// ready waits until the cluster takes a put.
func ready(client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), putTimeout)
	defer cancel()
	_, err := client.Put(ctx, "ready", "")
	return err
}

func accept(listener net.Listener, client *clientv3.Client) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return // closed
		}
		answers := make(chan answer, underWay)
		go writeAnswers(connection, answers)
		go func() {
			if err := readRequests(connection, answers, client); err != nil {
				fmt.Fprintln(os.Stderr, "feed:", err)
			}
			connection.Close()
		}()
	}
}

func readRequests(connection net.Conn, answers chan<- answer, client *clientv3.Client) error {
	reader := bufio.NewReaderSize(connection, 1<<20)
	room := make(chan struct{}, underWay)
	var head [8]byte
	for {
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		length, number := binary.BigEndian.Uint32(head[:4]), binary.BigEndian.Uint32(head[4:])
		if length < 4+headBytes || length > maxRequestBytes {
			return fmt.Errorf("a request of %d bytes", length)
		}
		message := make([]byte, length-4)
		if _, err := io.ReadFull(reader, message); err != nil {
			return err
		}
		select {
		case room <- struct{}{}:
			go func() {
				what := put(client, message)
				<-room
				tell(answers, answer{number, what})
			}()
		default:
			tell(answers, answer{number, busy})
		}
	}
}

// tell drops the answer where the client is gone and nobody writes any more.
func tell(answers chan<- answer, one answer) {
	select {
	case answers <- one:
	case <-time.After(putTimeout):
	}
}

// put stores the whole message under its signer's key: as many entries as there are signers.
func put(client *clientv3.Client, message []byte) byte {
	ctx, cancel := context.WithTimeout(context.Background(), putTimeout)
	defer cancel()
	if _, err := client.Put(ctx, string(message[:keyBytes]), string(message)); err != nil {
		if strings.Contains(err.Error(), "too many requests") {
			return busy
		}
		return refused
	}
	return committed
}

// writeAnswers writes whatever is answered at once in one write.
func writeAnswers(connection net.Conn, answers <-chan answer) {
	writer := bufio.NewWriterSize(connection, 1<<16)
	var record [5]byte
	for one := range answers {
		binary.BigEndian.PutUint32(record[:4], one.number)
		record[4] = one.what
		if _, err := writer.Write(record[:]); err != nil {
			return // the client is gone
		}
		if len(answers) == 0 {
			if err := writer.Flush(); err != nil {
				return
			}
		}
	}
}
