package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swimguard/memberlist"
)

func TestParseKey(t *testing.T) {
	key := func(n int) []byte { // bytes whose base64 has all kinds of characters
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(255 - 3*i)
		}
		return b
	}
	for _, n := range []int{16, 24, 32} {
		for form, text := range map[string]string{
			"hex":         hex.EncodeToString(key(n)),
			"upper hex":   strings.ToUpper(hex.EncodeToString(key(n))),
			"base64":      base64.StdEncoding.EncodeToString(key(n)),
			"raw base64":  base64.RawStdEncoding.EncodeToString(key(n)),
			"url base64":  base64.URLEncoding.EncodeToString(key(n)),
			"white space": " " + hex.EncodeToString(key(n)) + "\r\n",
		} {
			got, err := parseKey(text)
			if err != nil || !bytes.Equal(got, key(n)) {
				t.Errorf("%d bytes as %s: got %x, %v", n, form, got, err)
			}
		}
	}
	for _, bad := range []string{"", "secret", hex.EncodeToString(key(15)), hex.EncodeToString(key(33)), base64.StdEncoding.EncodeToString(key(20)), strings.Repeat("?", 32)} {
		_, err := parseKey(bad)
		if err == nil {
			t.Errorf("%q was accepted as a key", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func TestReadKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, b := strings.Repeat("a1", 16), strings.Repeat("b2", 32)

	write("# the new one first\n" + b + "\n\n  " + a + "  \n")
	keys, err := readKeyFile(path)
	if err != nil || len(keys) != 2 || hex.EncodeToString(keys[0]) != b || hex.EncodeToString(keys[1]) != a {
		t.Errorf("two keys with comments: got %x, %v", keys, err)
	}

	for text, want := range map[string]string{
		"":                                "no key in it",
		"# only a comment\n":              "no key in it",
		a + "\nnot a key\n":               "line 2: a key is 16, 24 or 32 bytes",
		strings.Repeat("#", keyFileMax+1): "too many for a key file",
	} {
		write(text)
		if _, err := readKeyFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("key file %.20q: error %v, want %q in it", text, err, want)
		}
	}
	if _, err := readKeyFile(path + ".missing"); err == nil {
		t.Error("a missing key file was accepted")
	}
}

func TestSplitAddress(t *testing.T) {
	for _, tc := range []struct {
		text string
		host string
		port int
		err  string
	}{
		{"10.0.0.1", "10.0.0.1", 7946, ""},
		{"10.0.0.1:80", "10.0.0.1", 80, ""},
		{"10.0.0.1:0", "10.0.0.1", 0, ""},
		{":80", "0.0.0.0", 80, ""},
		{"::1", "::1", 7946, ""},
		{"[::1]", "::1", 7946, ""},
		{"[::1]:80", "::1", 80, ""},
		{"localhost", "", 0, "must be ip, ip:port"},
		{"localhost:80", "", 0, `"localhost" is not an IP address`},
		{"10.0.0.1:http", "", 0, `"http" is not a port`},
		{"10.0.0.1:65536", "", 0, `"65536" is not a port`},
		{"10.0.0.1:-1", "", 0, `"-1" is not a port`},
	} {
		host, port, err := splitAddress(tc.text, "0.0.0.0", 7946)
		if host != tc.host || port != tc.port {
			t.Errorf("%q: got %q and %d, want %q and %d", tc.text, host, port, tc.host, tc.port)
		}
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: error %v, want %q in it", tc.text, err, tc.err)
		}
	}
}

// parseAgent is the Config that the flags lead to.
func parseAgent(t *testing.T, args ...string) (*agentOptions, *memberlist.Config, error) {
	t.Helper()
	var o agentOptions
	fs := o.flags()
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	c, err := o.config(io.Discard)
	return &o, c, err
}

func TestAgentConfig(t *testing.T) {
	o, c, err := parseAgent(t,
		"-name", "n1", "-bind", "127.0.0.1:4000", "-advertise", "192.0.2.7",
		"-join", "a:1, b:2", "-join", "c", "-label", "blue", "-meta", "role=db", "-profile", "wan",
		"-key", strings.Repeat("0f", 32), "-leave-timeout", "2s", "-reclaim", "30s")
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "n1" || c.BindAddr != "127.0.0.1" || c.BindPort != 4000 {
		t.Errorf("name and bind address: %q %q %d", c.Name, c.BindAddr, c.BindPort)
	}
	if c.AdvertiseAddr != "192.0.2.7" || c.AdvertisePort != 4000 {
		t.Errorf("the advertised port should be the bound one: %q %d", c.AdvertiseAddr, c.AdvertisePort)
	}
	if want := []string{"a:1", "b:2", "c"}; !slices.Equal(o.join, want) {
		t.Errorf("join %q, want %q", o.join, want)
	}
	if c.ProbeInterval != 5*time.Second || c.Label != "blue" || o.leaveTimeout != 2*time.Second {
		t.Errorf("profile, label, timeout: %v %q %v", c.ProbeInterval, c.Label, o.leaveTimeout)
	}
	if c.DeadNodeReclaimTime != 30*time.Second {
		t.Errorf("reclaim time: %v", c.DeadNodeReclaimTime)
	}
	if !c.EncryptionEnabled() {
		t.Error("the key is not in use")
	}
}

func TestAgentDefaults(t *testing.T) {
	_, c, err := parseAgent(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.BindAddr != "0.0.0.0" || c.BindPort != 7946 || c.AdvertiseAddr != "" || c.ProbeInterval != time.Second || c.EncryptionEnabled() {
		t.Errorf("defaults: %+v", c)
	}
	if host, err := os.Hostname(); err == nil && c.Name != host {
		t.Errorf("name %q, want the host's, %q", c.Name, host)
	}
}

func TestAgentRefusesBadFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		err  string
	}{
		{[]string{"-profile", "moon"}, "-profile"},
		{[]string{"-events", "xml"}, "-events"},
		{[]string{"-log", "loud"}, "-log"},
		{[]string{"-leave-timeout", "0s"}, "-leave-timeout"},
		{[]string{"-reclaim", "-1s"}, "-reclaim"},
		{[]string{"-join-once"}, "-join"},
		{[]string{"-bind", "localhost:1"}, "-bind"},
		{[]string{"-advertise", ":7946"}, "an IP address is missing"},
		{[]string{"-advertise", "example.org"}, "-advertise"},
		{[]string{"-key", "short"}, "-key"},
		{[]string{"-key-file", filepath.Join(t.TempDir(), "none")}, "-key-file"},
		{[]string{"-key", strings.Repeat("0f", 16), "-key-file", "x"}, "exclude each other"},
		{[]string{"-meta", strings.Repeat("m", memberlist.MetaMaxSize+1)}, "-meta of 513 bytes"},
		{[]string{"-label", strings.Repeat("l", memberlist.LabelMaxSize+1)}, "label"},
	} {
		_, _, err := parseAgent(t, tc.args...)
		if err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%.40q: error %v, want %q in it", tc.args, err, tc.err)
		}
	}
	// The limits themselves are allowed.
	if _, _, err := parseAgent(t, "-meta", strings.Repeat("m", memberlist.MetaMaxSize), "-label", strings.Repeat("l", memberlist.LabelMaxSize)); err != nil {
		t.Errorf("metadata and label of the largest size: %v", err)
	}
}
