package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/cometbft/cometbft/config"
)

// tune sets what raises the throughput and lowers the latency of four replicas on one machine.
func tune(c *config.Config) {
	c.Consensus.TimeoutCommit = 0
	c.Consensus.SkipTimeoutCommit = true
	c.Consensus.PeerGossipSleepDuration = 5 * time.Millisecond
	c.Consensus.CreateEmptyBlocks = false
	c.P2P.FlushThrottleTimeout = 5 * time.Millisecond
	c.P2P.SendRate = 512_000_000
	c.P2P.RecvRate = 512_000_000
	c.Mempool.Size = 20_000
	c.Mempool.CacheSize = 100_000
	c.Mempool.Recheck = false
	c.TxIndex.Indexer = "null"
}

// printSettings writes what tune changes, before and after, as JSON.
func printSettings() error {
	found := map[string]map[string]any{}
	for name, tuned := range map[string]bool{"default": false, "tuned": true} {
		c := settings(os.TempDir(), 0, tuned)
		found[name] = map[string]any{
			"consensus.timeout_commit":             c.Consensus.TimeoutCommit.String(),
			"consensus.skip_timeout_commit":        c.Consensus.SkipTimeoutCommit,
			"consensus.peer_gossip_sleep_duration": c.Consensus.PeerGossipSleepDuration.String(),
			"consensus.create_empty_blocks":        c.Consensus.CreateEmptyBlocks,
			"p2p.flush_throttle_timeout":           c.P2P.FlushThrottleTimeout.String(),
			"p2p.send_rate":                        c.P2P.SendRate,
			"p2p.recv_rate":                        c.P2P.RecvRate,
			"mempool.size":                         c.Mempool.Size,
			"mempool.cache_size":                   c.Mempool.CacheSize,
			"mempool.recheck":                      c.Mempool.Recheck,
			"tx_index.indexer":                     c.TxIndex.Indexer,
			"application calls wait for":           map[bool]string{false: "each other", true: "those of their connection"}[tuned],
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}
