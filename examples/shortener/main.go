// Shortener gives long addresses short names. It needs nothing but a folder to keep them in.
package main

import (
	"context"
	"errors"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

const (
	// stopWithin is the longest time to finish what is running.
	stopWithin = 9 * time.Second
	// usualLinks is how many links are kept if nothing else is said: at most 60 MiB with addresses of full length.
	usualLinks = 20_000
	usualPort  = "8080"
	// usualVisitsPercent of the memory that the runtime was told to stay within are for the last visits.
	usualVisitsPercent = 5
	// usualMemoryBytes are reckoned with if it was told nothing.
	usualMemoryBytes = 64 << 20
)

func main() {
	log.SetFlags(0) // the journal has the time
	log.SetPrefix("shortener: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	folder := os.Getenv("STATE_DIRECTORY")
	if folder == "" {
		return errors.New("the environment variable STATE_DIRECTORY is not set")
	}
	most, err := wholeNumber("LINKS", usualLinks)
	if err != nil {
		return err
	}
	links, err := OpenLinks(filepath.Join(folder, "links.jsonl"), most)
	if err != nil {
		return err
	}
	defer links.Close()
	percent, err := wholeNumber("VISITS_PERCENT", usualVisitsPercent)
	if err != nil {
		return err
	}
	listener, err := listen()
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           NewHandler(links, NewVisits(memoryBytes()/100*int64(percent)), os.Getenv("RELEASE")),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       75 * time.Second, // longer than nginx keeps a connection
		MaxHeaderBytes:    16 << 10,
	}
	return serve(server, listener)
}

// memoryBytes is GOMEMLIMIT, as the runtime understood it.
func memoryBytes() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return usualMemoryBytes
}

// listen takes the socket that systemd holds, or a port on loopback.
func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") != "" {
		return net.FileListener(os.NewFile(3, "socket of systemd"))
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = usualPort
	}
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
}

// serve runs until SIGTERM, and then finishes what is running.
func serve(server *http.Server, listener net.Listener) error {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Printf("listening on %s", listener.Addr())
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	return server.Shutdown(ctx)
}

func wholeNumber(name string, usual int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return usual, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, errors.New(name + "=" + strconv.Quote(text) + " must be a whole number of at least 1")
	}
	return number, nil
}
