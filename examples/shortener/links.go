package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
)

const (
	maxAddressBytes = 2048
	// codeBytes of randomness make eight letters and digits.
	codeBytes = 5
)

var (
	errFull    = errors.New("there is no room for more links")
	errAddress = fmt.Errorf("an address is http:// or https://, with a host, and of at most %d bytes", maxAddressBytes)
)

var codes = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

type link struct {
	Code    string `json:"code"`
	Address string `json:"address"`
}

// Links holds all links in memory and writes each new one to a file, a line of JSON each, before it is given out.
type Links struct {
	mu        sync.RWMutex
	addresses map[string]string
	most      int

	writing sync.Mutex // one writer at a time; readers do not wait for the disk
	file    *os.File
	end     int64 // where the next line goes; what a failed write left behind lies after it
}

// OpenLinks reads the links of a file, which is made if it is not there. A last line that was cut off is dropped.
func OpenLinks(path string, most int) (*Links, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	links := &Links{addresses: make(map[string]string), most: most, file: file}
	if err := links.read(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return links, nil
}

func (l *Links) read() error {
	reader := bufio.NewReader(l.file)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return l.file.Truncate(l.end)
		}
		if err != nil {
			return err
		}
		var one link
		if err := json.Unmarshal(line, &one); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		l.addresses[one.Code] = one.Address
		l.end += int64(len(line))
	}
}

// Add keeps an address and returns its code.
func (l *Links) Add(address string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil || len(address) > maxAddressBytes || parsed.Host == "" ||
		(parsed.Scheme != "http" && parsed.Scheme != "https") {
		return "", errAddress
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.Count() >= l.most {
		return "", errFull
	}
	one := link{Code: l.freeCode(), Address: parsed.String()}
	if err := l.write(one); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addresses[one.Code] = one.Address
	return one.Code, nil
}

// Address returns what a code stands for.
func (l *Links) Address(code string) (string, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	address, ok := l.addresses[strings.ToLower(code)]
	return address, ok
}

// Count returns how many links there are.
func (l *Links) Count() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.addresses)
}

// Check writes what is to be written, which shows whether the disk still takes it.
func (l *Links) Check() error {
	return l.file.Sync()
}

// Close waits for a write at work and closes the file.
func (l *Links) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.file.Close()
}

func (l *Links) write(one link) error {
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(one); err != nil {
		return err
	}
	if err := l.file.Truncate(l.end); err != nil { // a write that failed may have left something
		return err
	}
	if _, err := l.file.WriteAt(line.Bytes(), l.end); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.end += int64(line.Len())
	return nil
}

func (l *Links) freeCode() string {
	for {
		random := make([]byte, codeBytes)
		if _, err := rand.Read(random); err != nil {
			panic(err) // the kernel gives no randomness: nothing works then
		}
		if code := codes.EncodeToString(random); !l.has(code) {
			return code
		}
	}
}

func (l *Links) has(code string) bool {
	_, ok := l.Address(code)
	return ok
}
