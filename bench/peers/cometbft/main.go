// One replica of CometBFT in this process, with a small application that checks Ed25519 signatures.
//
//	cometbft-peer init --dir DIR --ports 7001,7002,7003,7004
//	cometbft-peer run  --dir DIR --number 0 --feed 0.sock [--tuned]
//	cometbft-peer settings
//
// Transactions come over the feed of bench/load/feed.py and are answered once the block that holds them is
// committed and the application's state is synced to disk.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/types"
)

const peersFile = "peers"

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("init, run or settings"))
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	dir := flags.String("dir", "", "folder of all replicas")
	ports := flags.String("ports", "", "init: a port for each replica")
	number := flags.Int("number", 0, "run: which replica")
	feed := flags.String("feed", "", "run: path of the feed's socket")
	tuned := flags.Bool("tuned", false, "run: with the settings of tune()")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	var err error
	switch os.Args[1] {
	case "init":
		err = initialise(*dir, strings.Split(*ports, ","))
	case "run":
		err = run(*dir, *number, *feed, *tuned)
	case "settings":
		err = printSettings()
	default:
		err = fmt.Errorf("init, run or settings, not %s", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func home(dir string, number int) string {
	return filepath.Join(dir, strconv.Itoa(number))
}

func settings(dir string, number int, tuned bool) *config.Config {
	c := config.DefaultConfig()
	c.SetRoot(home(dir, number))
	c.RPC.ListenAddress = ""
	c.P2P.AddrBookStrict = false
	c.P2P.AllowDuplicateIP = true
	c.P2P.PexReactor = false
	if tuned {
		tune(c)
	}
	return c
}

// initialise makes keys and one genesis document for as many replicas as there are ports.
func initialise(dir string, ports []string) error {
	doc := types.GenesisDoc{
		ChainID:         "bench",
		GenesisTime:     time.Now(),
		ConsensusParams: types.DefaultConsensusParams(),
	}
	var peers []string
	for number, port := range ports {
		c := settings(dir, number, false)
		config.EnsureRoot(c.RootDir)
		key, err := p2p.LoadOrGenNodeKey(c.NodeKeyFile())
		if err != nil {
			return err
		}
		validator := privval.LoadOrGenFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile())
		public, err := validator.GetPubKey()
		if err != nil {
			return err
		}
		doc.Validators = append(doc.Validators, types.GenesisValidator{
			Address: public.Address(), PubKey: public, Power: 1, Name: strconv.Itoa(number),
		})
		peers = append(peers, fmt.Sprintf("%s@127.0.0.1:%s", key.ID(), port))
	}
	for number := range ports {
		if err := doc.SaveAs(settings(dir, number, false).GenesisFile()); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, peersFile), []byte(strings.Join(peers, "\n")), 0o600)
}

func run(dir string, number int, feedPath string, tuned bool) error {
	data, err := os.ReadFile(filepath.Join(dir, peersFile))
	if err != nil {
		return err
	}
	peers := strings.Split(string(data), "\n")
	c := settings(dir, number, tuned)
	c.P2P.ListenAddress = "tcp://" + strings.SplitN(peers[number], "@", 2)[1]
	c.P2P.PersistentPeers = strings.Join(append(append([]string{}, peers[:number]...), peers[number+1:]...), ",")
	key, err := p2p.LoadNodeKey(c.NodeKeyFile())
	if err != nil {
		return err
	}
	app, err := newApplication(c.DBDir())
	if err != nil {
		return err
	}
	creator := proxy.NewLocalClientCreator(app)
	if tuned {
		creator = proxy.NewConnSyncLocalClientCreator(app)
	}
	logger := log.NewFilter(log.NewTMLogger(log.NewSyncWriter(os.Stderr)), log.AllowError())
	validator := privval.LoadFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile())
	n, err := node.NewNode(c, validator, key, creator, node.DefaultGenesisDocProviderFunc(c),
		config.DefaultDBProvider, node.DefaultMetricsProvider(c.Instrumentation), logger)
	if err != nil {
		return err
	}
	if err := n.Start(); err != nil {
		return err
	}
	for n.Switch().Peers().Size() < len(peers)-1 {
		time.Sleep(50 * time.Millisecond)
	}
	stopFeed, err := serveFeed(feedPath, app, n.Mempool())
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
	stopFeed()
	return n.Stop()
}
