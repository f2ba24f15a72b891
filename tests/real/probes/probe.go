// Probe says what its runtime was told, and can be made to use more than that.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

var kept [][]byte

func answer(w http.ResponseWriter, r *http.Request) {
	for r.URL.Path == "/blow" {
		block := make([]byte, 1<<20)
		for at := range block {
			block[at] = 1
		}
		kept = append(kept, block)
	}
	w.Header().Set("X-Release", os.Getenv("RELEASE"))
	if r.URL.Path == "/memory" {
		fmt.Fprintf(w, `{"GOMEMLIMIT": %d, "GOMAXPROCS": %d}`, debug.SetMemoryLimit(-1), runtime.GOMAXPROCS(0))
		return
	}
	fmt.Fprintln(w, "ok")
}

func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") != "" {
		return net.FileListener(os.NewFile(3, "socket of systemd"))
	}
	return net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
}

func main() {
	listener, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	go func() { log.Print(server.Serve(listener)) }()
	<-stop.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
}
