package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	dbm "github.com/cometbft/cometbft-db"
	abci "github.com/cometbft/cometbft/abci/types"
)

// A transaction is key | signature | body, the signature over the body (bench/load/messages.py).
const headBytes = ed25519.PublicKeySize + ed25519.SignatureSize

const codeBadSignature = 1

var tipKey = []byte("tip")

type digest = [sha256.Size]byte

// application verifies every transaction once on every replica: at CheckTx where it came through the mempool,
// else when its block is processed. Its state is the last transaction's digest by key, synced once a block.
type application struct {
	abci.BaseApplication
	db dbm.DB

	mutex    sync.Mutex
	verified map[digest]struct{}
	waiting  map[digest]func()

	height int64
	hash   []byte
	block  []digest
	batch  dbm.Batch
}

func newApplication(dir string) (*application, error) {
	db, err := dbm.NewGoLevelDB("application", dir)
	if err != nil {
		return nil, err
	}
	app := &application{db: db, verified: map[digest]struct{}{}, waiting: map[digest]func(){}}
	tip, err := db.Get(tipKey)
	if err != nil {
		return nil, err
	}
	if tip != nil {
		app.height, app.hash = int64(binary.BigEndian.Uint64(tip)), tip[8:]
	}
	return app, nil
}

// await calls done once the transaction's block is durable; false where it waits already.
func (app *application) await(id digest, done func()) bool {
	app.mutex.Lock()
	defer app.mutex.Unlock()
	if _, known := app.waiting[id]; known {
		return false
	}
	app.waiting[id] = done
	return true
}

func (app *application) forget(id digest) {
	app.mutex.Lock()
	delete(app.waiting, id)
	app.mutex.Unlock()
}

func (app *application) good(tx []byte) bool {
	if len(tx) <= headBytes {
		return false
	}
	id := sha256.Sum256(tx)
	app.mutex.Lock()
	_, known := app.verified[id]
	app.mutex.Unlock()
	if known {
		return true
	}
	if !ed25519.Verify(tx[:ed25519.PublicKeySize], tx[headBytes:], tx[ed25519.PublicKeySize:headBytes]) {
		return false
	}
	app.mutex.Lock()
	app.verified[id] = struct{}{}
	app.mutex.Unlock()
	return true
}

func (app *application) Info(context.Context, *abci.RequestInfo) (*abci.ResponseInfo, error) {
	return &abci.ResponseInfo{LastBlockHeight: app.height, LastBlockAppHash: app.hash}, nil
}

func (app *application) CheckTx(_ context.Context, r *abci.RequestCheckTx) (*abci.ResponseCheckTx, error) {
	if !app.good(r.Tx) {
		return &abci.ResponseCheckTx{Code: codeBadSignature}, nil
	}
	return &abci.ResponseCheckTx{}, nil
}

func (app *application) ProcessProposal(
	_ context.Context, r *abci.RequestProcessProposal,
) (*abci.ResponseProcessProposal, error) {
	for _, tx := range r.Txs {
		if !app.good(tx) {
			return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_REJECT}, nil
		}
	}
	return &abci.ResponseProcessProposal{Status: abci.ResponseProcessProposal_ACCEPT}, nil
}

func (app *application) FinalizeBlock(
	_ context.Context, r *abci.RequestFinalizeBlock,
) (*abci.ResponseFinalizeBlock, error) {
	app.block, app.batch = app.block[:0], app.db.NewBatch()
	hash := sha256.New()
	hash.Write(app.hash)
	results := make([]*abci.ExecTxResult, len(r.Txs))
	for at, tx := range r.Txs {
		results[at] = &abci.ExecTxResult{}
		if !app.good(tx) {
			results[at].Code = codeBadSignature
			continue
		}
		id := sha256.Sum256(tx)
		app.block = append(app.block, id)
		hash.Write(id[:])
		if err := app.batch.Set(tx[:ed25519.PublicKeySize], id[:]); err != nil {
			return nil, err
		}
	}
	app.height, app.hash = r.Height, hash.Sum(nil)
	tip := binary.BigEndian.AppendUint64(nil, uint64(app.height))
	if err := app.batch.Set(tipKey, append(tip, app.hash...)); err != nil {
		return nil, err
	}
	return &abci.ResponseFinalizeBlock{TxResults: results, AppHash: app.hash}, nil
}

func (app *application) Commit(context.Context, *abci.RequestCommit) (*abci.ResponseCommit, error) {
	if err := app.batch.WriteSync(); err != nil {
		return nil, err
	}
	if err := app.batch.Close(); err != nil {
		return nil, err
	}
	app.mutex.Lock()
	defer app.mutex.Unlock()
	for _, id := range app.block {
		delete(app.verified, id)
		if done, known := app.waiting[id]; known {
			delete(app.waiting, id)
			done()
		}
	}
	return &abci.ResponseCommit{}, nil
}
