package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/mempool"
)

// The answers of bench/load/feed.py.
const (
	committed byte = 0
	busy      byte = 1
	refused   byte = 2
)

const (
	maxRequestBytes = 65_536
	queuedAnswers   = 65_536
)

type answer struct {
	number uint32
	what   byte
}

// serveFeed takes transactions on a Unix socket until the function that it gives back is called.
func serveFeed(path string, app *application, pool mempool.Mempool) (func(), error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // closed
			}
			answers := make(chan answer, queuedAnswers)
			go writeAnswers(connection, answers)
			go func() {
				if err := readRequests(connection, answers, app, pool); err != nil {
					fmt.Fprintln(os.Stderr, "feed:", err)
				}
				connection.Close()
			}()
		}
	}()
	return func() { listener.Close() }, nil
}

func readRequests(
	connection net.Conn, answers chan<- answer, app *application, pool mempool.Mempool,
) error {
	reader := bufio.NewReaderSize(connection, 1<<20)
	var head [8]byte
	for {
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		length, number := binary.BigEndian.Uint32(head[:4]), binary.BigEndian.Uint32(head[4:])
		if length < 4 || length > maxRequestBytes {
			return fmt.Errorf("a request of %d bytes", length)
		}
		tx := make([]byte, length-4)
		if _, err := io.ReadFull(reader, tx); err != nil {
			return err
		}
		submit(tx, number, answers, app, pool)
	}
}

func submit(tx []byte, number uint32, answers chan<- answer, app *application, pool mempool.Mempool) {
	id := sha256.Sum256(tx)
	// A client that is gone takes no answers: they are dropped, nobody waits for it.
	tell := func(what byte) {
		select {
		case answers <- answer{number, what}:
		default:
		}
	}
	if !app.await(id, func() { tell(committed) }) {
		tell(refused)
		return
	}
	err := pool.CheckTx(tx, func(response *abci.ResponseCheckTx) {
		if response.IsErr() {
			app.forget(id)
			tell(refused)
		}
	}, mempool.TxInfo{})
	if err != nil {
		app.forget(id)
		what := refused
		if full := (mempool.ErrMempoolIsFull{}); errors.As(err, &full) {
			what = busy
		}
		tell(what)
	}
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
