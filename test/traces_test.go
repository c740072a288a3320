package test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The traces that a caller begins, with its own span.
const (
	thriftTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	httpTrace   = "0af7651916cd43dd8448eb211c80319c"
	callerSpan  = "00f067aa0ba902b7"
)

// collected is a span, and which program sent it.
type collected struct {
	*tracepb.Span
	program string
}

// collector takes what programs tell an OpenTelemetry collector, by span.
type collector struct {
	mu    sync.Mutex
	spans map[string]collected
	wrong []error
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var data tracepb.TracesData
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
	for _, from := range data.ResourceSpans {
		program := ""
		for _, a := range from.Resource.Attributes {
			if a.Key == "service.name" {
				program = a.Value.GetStringValue()
			}
		}
		for _, scope := range from.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans[hex.EncodeToString(s.SpanId)] = collected{s, program}
			}
		}
	}
}

// path is the programs and names from an operation in the trace up to the caller's span;
// nil: it has not come yet, or a span on the way has not.
func (c *collector) path(traceID string) (path []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name != "operation" || hex.EncodeToString(s.TraceId) != traceID {
			continue
		}
		for {
			path = append(path, strings.TrimPrefix(s.program, "spillway-")+" "+s.Name)
			parent := hex.EncodeToString(s.ParentSpanId)
			if parent == callerSpan {
				return path
			}
			next, known := c.spans[parent]
			if !known {
				return nil
			}
			s = next
		}
	}
	return nil
}

// count is how many spans of that name the trace has.
func (c *collector) count(traceID, name string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name && hex.EncodeToString(s.TraceId) == traceID {
			n++
		}
	}
	return n
}

// post makes a call of the HTTP API as the user of --demo, and reads its answer.
func post(t *testing.T, url, token, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	if token == "" {
		r.SetBasicAuth("username", "password")
	} else {
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Traceparent", "00-"+httpTrace+"-"+callerSpan+"-01")
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, 2, answer.StatusCode/100, "%s", text)
	var read map[string]any
	require.NoError(t, json.Unmarshal(text, &read))
	return read
}

func TestTraces_OneFromTheCallToTheOperationOnANode(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	spans := &collector{spans: map[string]collected{}}
	there := httptest.NewServer(spans)
	defer there.Close()
	web := freeAddr(t)
	c := newCluster(t, []string{"--http", web, "--demo", "--otlp-endpoint", there.URL}, nodeArgs{"0", "--otlp-endpoint", there.URL})
	touch(t, c.folder("data"), 3)
	toOperation := []string{"computenode operation", "computenode ComputeNode/run", "server attempt", "server task", "server job", "server submit"}

	r, code := c.run("data", "--op", "none", "--traceparent", "00-"+thriftTrace+"-"+callerSpan+"-01")
	require.Zero(t, code)
	out, code := c.client("job", r.ID, "--json")
	require.Zero(t, code)
	require.Contains(t, out, `"trace_id":"`+thriftTrace+`"`)
	eventually(t, "the trace of the Thrift call is whole", func() bool {
		return slices.Equal(spans.path(thriftTrace), append(slices.Clone(toOperation), "server Server/submit_request"))
	})

	token, _ := post(t, "http://"+web+"/login", "", "")["token"].(string)
	post(t, "http://"+web+"/jobs", token, `{"source":"data","operation":"none"}`)
	eventually(t, "the trace of the HTTP call is whole", func() bool {
		return slices.Equal(spans.path(httpTrace), append(slices.Clone(toOperation), "server POST /jobs"))
	})
	for _, name := range []string{"task", "admission", "wait", "operation"} {
		eventually(t, "each task has its "+name, func() bool { return spans.count(httpTrace, name) == 3 })
	}
	require.Empty(t, spans.wrong)

	there.Close()
	_, code = c.run("data", "--op", "none")
	require.Zero(t, code, "a collector that is away costs spans alone")
	c.server.signal(syscall.SIGTERM)
	require.Zero(t, c.server.wait())
	require.Contains(t, c.server.out.String(), "spans are lost")
	require.Contains(t, c.server.out.String(), "trace_id="+thriftTrace)
}
