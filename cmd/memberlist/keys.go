package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/swimguard/memberlist"
)

// keyFileMax is far more than any sensible number of keys needs.
const keyFileMax = 64 << 10

// parseKey reads a key of 16, 24 or 32 bytes from its hexadecimal or base64
// form. Text that could be both is hexadecimal: 32 hexadecimal digits are also
// base64, but a random key looks like that once in 2^64 times.
func parseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if key, err := hex.DecodeString(text); err == nil && memberlist.ValidateKey(key) == nil {
		return key, nil
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := enc.DecodeString(text); err == nil && memberlist.ValidateKey(key) == nil {
			return key, nil
		}
	}
	// The text may be most of a secret, so it is not repeated.
	return nil, errors.New("a key is 16, 24 or 32 bytes in hexadecimal or base64")
}

// readKeyFile reads one key a line; empty lines and lines that begin with #
// do not count. The first key is the one to encrypt with, the others are
// accepted too: that is how keys are rotated.
func readKeyFile(path string) ([][]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > keyFileMax {
		return nil, fmt.Errorf("%s: %d bytes are too many for a key file", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, i+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no key in it", path)
	}
	return keys, nil
}
