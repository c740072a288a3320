package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A batch that a collector cannot take now is sent again after a second, and after twice
// as long each time, half of it drawn; so often in all. Others queue meanwhile.
const (
	tries      = 4
	firstPause = time.Second
	longPause  = 15 * time.Second
)

// maxAnswer bounds what is read of a collector's answer, in bytes.
const maxAnswer = 1 << 16

// sender posts batches. The exporter that the OpenTelemetry project offers for this links
// all of gRPC into the program.
type sender struct {
	*target
	client *http.Client
	pause  time.Duration
}

var _ otlptrace.Client = (*sender)(nil)

// newSender connects when it is first used.
func newSender(t *target) (*sender, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("the default transport is a %T", http.DefaultTransport)
	}
	transport = transport.Clone()
	transport.TLSClientConfig, transport.MaxConnsPerHost = t.tls, 2
	client := &http.Client{
		Transport: transport, Timeout: t.timeout,
		// The headers may hold secrets, which are for the endpoint alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &sender{target: t, client: client, pause: firstPause}, nil
}

// Start implements otlptrace.Client.
func (s *sender) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (s *sender) Stop(context.Context) error {
	s.client.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. TracesData is on the wire what
// ExportTraceServiceRequest is.
func (s *sender) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if s.gzip {
		if body, err = compressed(body); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	pause := s.pause
	for try := 1; ; try++ {
		after, again, err := s.post(ctx, body)
		if err == nil || !again || try == tries || ctx.Err() != nil {
			return err
		}
		wait := max(after, pause/2+rand.N(pause/2+1))
		pause = min(2*pause, longPause)
		timer := time.NewTimer(min(wait, longPause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// post makes one try; again tells that another may do better, no sooner than after.
func (s *sender) post(ctx context.Context, body []byte) (after time.Duration, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	r.Header = s.header.Clone()
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, true, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)); err != nil {
		return 0, false, fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode/100 == 2 {
		return 0, false, nil
	}
	err = fmt.Errorf("the collector answered %d", answer.StatusCode)
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if wait, wrong := time.ParseDuration(answer.Header.Get("Retry-After") + "s"); wrong == nil {
			after = min(wait, longPause)
		}
		return after, true, err
	}
	return 0, false, err
}

func compressed(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
