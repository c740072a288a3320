package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"spillway/job"
)

// fieldsOf are what a request says in its query, or in a body that is JSON or a form. A
// body that begins with { is JSON whatever its content type. Errors: InvalidArgument.
func fieldsOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, smallBody))
	if err != nil {
		return nil, unreadable("read the body", err)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, job.E(job.InvalidArgument, "query", errors.New("it cannot be read"), "write it as in ?workload_id=1&type=original")
	}
	var fields url.Values
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
	case trimmed[0] == '{', trimmed[0] == '[', trimmed[0] == '"': // the last is JSON that was made JSON once more
		if fields, err = jsonFields(trimmed); err != nil {
			return nil, job.E(job.InvalidArgument, "read the body", errors.New("it is no JSON object of texts and numbers"), `send one such as {"filter": "blur:kernel=7", "workload_name": "holidays"}`)
		}
	case kind == "multipart/form-data":
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err = multipartForm(r, kind); err == nil {
			fields = r.MultipartForm.Value
		}
	default:
		fields, err = url.ParseQuery(string(trimmed))
	}
	if err != nil {
		return nil, unreadable("read the body", err)
	}
	maps.Copy(values, fields)
	return values, nil
}

// jsonFields are the members of an object, which must be text or numbers; null is as if
// it were not there.
func jsonFields(body []byte) (url.Values, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the object")
	}
	values := url.Values{}
	for name, v := range fields {
		switch v := v.(type) {
		case nil:
		case string:
			values.Set(name, v)
		case json.Number:
			values.Set(name, v.String())
		default:
			return nil, errors.New("a member is neither text nor a number")
		}
	}
	return values, nil
}

// idOf reads an id, which is not below least; otherwise is the error for what is none.
func idOf(text string, least int64, otherwise error) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < least || strconv.FormatInt(id, 10) != text {
		return 0, otherwise
	}
	return id, nil
}

// number is the id in the field what. Errors: InvalidArgument.
func number(what, text string) (int64, error) {
	if text == "" {
		return 0, job.E(job.InvalidArgument, what, errors.New("it is missing"), "send "+what+" as a field of the form, or in the query")
	}
	return idOf(strings.TrimSpace(text), 0, job.E(job.InvalidArgument, what, errors.New("it is not a whole number from 0"), "send "+what+" as the server gave it"))
}
