package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsPage string

// addDescription serves what was declared until now, for programs and for people.
// It is a fault of the program, and panics, when that cannot be written down.
func (a *API) addDescription() {
	spec, err := a.huma.OpenAPI().MarshalJSON()
	if err != nil {
		panic(fmt.Sprintf("describe the API: %v", err))
	}
	page, err := docs(a.huma.OpenAPI())
	if err != nil {
		panic(fmt.Sprintf("describe the API: %v", err))
	}
	serve := func(contentType string, body []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
			_, _ = w.Write(body) // the caller has left: there is nobody to tell
		})
	}
	a.mount("GET /openapi.json", anybody, serve("application/json", spec))
	a.mount("GET /docs", anybody, serve("text/html; charset=utf-8", page))
	a.mount("GET /{$}", anybody, http.RedirectHandler("/docs", http.StatusFound)) // for who opens the address in a browser
}

// call is one call, for the page.
type call struct {
	Method, Path string
	*huma.Operation
}

// group is the calls under one tag.
type group struct {
	Name  string
	Calls []call
}

// docs is the page for people: every call with what it takes and gives, as the
// description has it, without any script.
func docs(spec *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("docs").Funcs(template.FuncMap{
		"fields":   func(s *huma.Schema) []field { return fields(spec, s) },
		"type":     func(s *huma.Schema) string { return typeOf(spec, s) },
		"sorted":   func(m map[string]*huma.MediaType) []string { return slices.Sorted(maps.Keys(m)) },
		"statuses": func(m map[string]*huma.Response) []string { return slices.Sorted(maps.Keys(m)) },
		"guarded":  func(o *huma.Operation) bool { return len(o.Security) > 0 },
	}).Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Spec": spec, "Groups": groups(spec)})
	return b.Bytes(), err
}

// groups are the calls by their first tag, in the order of their paths.
func groups(spec *huma.OpenAPI) (all []group) {
	byTag := map[string][]call{}
	for _, path := range slices.Sorted(maps.Keys(spec.Paths)) {
		item := spec.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete, item.Head, item.Options} {
			if op == nil {
				continue
			}
			tag := "other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			byTag[tag] = append(byTag[tag], call{Method: op.Method, Path: path, Operation: op})
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(byTag)) {
		all = append(all, group{Name: tag, Calls: byTag[tag]})
	}
	return all
}

// field is one member of an object.
type field struct {
	Name, Type, Doc string
	Required        bool
	Example         string
}

// fields are the members of s, or of what it lists.
func fields(spec *huma.OpenAPI, s *huma.Schema) (all []field) {
	s = resolve(spec, s)
	if s == nil {
		return nil
	}
	if s.Type == huma.TypeArray {
		return fields(spec, s.Items)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		f := field{Name: name, Type: typeOf(spec, p), Doc: p.Description, Required: slices.Contains(s.Required, name)}
		if len(p.Examples) > 0 {
			f.Example = fmt.Sprint(p.Examples[0])
		}
		all = append(all, f)
	}
	return all
}

// typeOf is the type of s in a word or two.
func typeOf(spec *huma.OpenAPI, s *huma.Schema) string {
	if s == nil {
		return ""
	}
	name := ""
	if s.Ref != "" {
		name = s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	}
	s = resolve(spec, s)
	switch {
	case s == nil:
		return name
	case s.Type == huma.TypeArray:
		return "array of " + typeOf(spec, s.Items)
	case name != "":
		return name
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = strconv.Quote(fmt.Sprint(e))
		}
		return strings.Join(words, ", ")
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}

// resolve follows a reference.
func resolve(spec *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = spec.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// answers describes what a call that answers by itself may say: good, and errors
// with these statuses.
func (a *API) answers(good described, errors ...int) map[string]*huma.Response {
	all := map[string]*huma.Response{strconv.Itoa(good.status): good.response}
	for _, status := range errors {
		all[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{problemType: {Schema: schema[ProblemError](a)}},
		}
	}
	return all
}
