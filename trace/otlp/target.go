package otlp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// tracesPath is where a collector takes spans, below its endpoint.
const tracesPath = "v1/traces"

// defaultTimeout bounds one try to send spans.
const defaultTimeout = 10 * time.Second

// target is where spans go, and how.
type target struct {
	url     string
	shown   string // the URL without a password
	header  http.Header
	timeout time.Duration
	gzip    bool
	tls     *tls.Config
}

// find tells where spans go; nil: nowhere. Errors: plain.
func find(flag string) (*target, error) {
	if _, off := variable("OTEL_SDK_DISABLED"); strings.EqualFold(off, "true") {
		return nil, nil
	}
	name, at, whole := "--otlp-endpoint", flag, false
	if flag == "" {
		if _, exporter := variable("OTEL_TRACES_EXPORTER"); exporter == "none" {
			return nil, nil
		}
		name, at = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
		if whole = at != ""; !whole {
			name, at = variable("OTEL_EXPORTER_OTLP_ENDPOINT")
		}
	}
	if at == "" {
		return nil, nil
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%s %.100q is not the URL of a collector, as in http://127.0.0.1:4318", name, at)
	}
	if !whole && !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/"+tracesPath) {
		u = u.JoinPath(tracesPath)
	}
	t := &target{url: u.String(), shown: u.Redacted()}
	if err := errors.Join(checkProtocol(), t.readHeaders(), t.readTimeout(), t.readCompression(), t.readTLS()); err != nil {
		return nil, err
	}
	return t, nil
}

// option reads the variable of all signals, unless there is one for traces alone.
func option(word string) (name, value string) {
	return variable("OTEL_EXPORTER_OTLP_TRACES_"+word, "OTEL_EXPORTER_OTLP_"+word)
}

func checkProtocol() error {
	if name, p := option("PROTOCOL"); p != "" && p != "http/protobuf" {
		return fmt.Errorf("%s=%.40q is not spoken here; set it to http/protobuf, and the endpoint to the collector's port for that, which is 4318 mostly", name, p)
	}
	return nil
}

// readHeaders reads NAME=VALUE,... with percent signs as in URLs.
func (t *target) readHeaders() error {
	t.header = http.Header{"Content-Type": {"application/x-protobuf"}, "User-Agent": {"spillway"}}
	name, list := option("HEADERS")
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		key = strings.TrimSpace(key)
		if !found || err != nil || key == "" || strings.ContainsAny(key+value, "\r\n\x00") || strings.ContainsAny(key, " \t:") {
			return fmt.Errorf("%s is not a list NAME=VALUE,NAME=VALUE", name) // its values may be secrets
		}
		t.header.Set(key, value)
	}
	return nil
}

func (t *target) readTimeout() error {
	t.timeout = defaultTimeout
	name, text := option("TIMEOUT")
	if text == "" {
		return nil
	}
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 1 {
		return fmt.Errorf("%s=%.40q is not a number of milliseconds", name, text)
	}
	t.timeout = time.Duration(ms) * time.Millisecond
	return nil
}

func (t *target) readCompression() error {
	name, text := option("COMPRESSION")
	switch text {
	case "", "none":
	case "gzip":
		t.gzip = true
		t.header.Set("Content-Encoding", "gzip")
	default:
		return fmt.Errorf("%s=%.40q is neither gzip nor none", name, text)
	}
	return nil
}

// readTLS takes the authority that a collector's certificate must be of, and the
// certificate to show it.
func (t *target) readTLS() error {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if name, file := option("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: %s has no certificate", name, file)
		}
	}
	name, file := option("CLIENT_CERTIFICATE")
	_, key := option("CLIENT_KEY")
	if file != "" {
		pair, err := tls.LoadX509KeyPair(file, key)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	t.tls = cfg
	return nil
}

// number is the value of a variable that is a positive number, as the SDK reads it.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(strings.TrimSpace(os.Getenv(name))); err == nil && n > 0 {
		return n
	}
	return otherwise
}
