package api

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// object is one of JSON.
type object = map[string]any

// document is the description as a client gets it.
func document(t *testing.T) object {
	t.Helper()
	return answered[object](t, 200, ask(t, everything(t), "", "GET", "/openapi.json", ""))
}

func TestOpenAPI_TheDocumentIsOpenAPI31(t *testing.T) {
	doc := document(t)
	require.Regexp(t, `^3\.1\.\d+$`, doc["openapi"])
	require.NotEmpty(t, doc["info"].(object)["title"])
	require.NotEmpty(t, doc["info"].(object)["version"])
	for name := range doc {
		require.Contains(t, []string{"openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security", "tags", "externalDocs"}, name)
	}
	schemes := doc["components"].(object)["securitySchemes"].(object)
	ids := map[string]string{}
	for path, item := range doc["paths"].(object) {
		require.True(t, strings.HasPrefix(path, "/"), path)
		for method, op := range item.(object) {
			at := method + " " + path
			require.Contains(t, []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}, method)
			id := op.(object)["operationId"].(string)
			require.Empty(t, ids[id], "%s has the id of %s", at, ids[id])
			require.Regexp(t, `^[a-z][a-z0-9-]*$`, id)
			ids[id] = at
			requireOperation(t, at, path, op.(object), schemes)
		}
	}
	requireValid(t, doc, "#", doc)
}

// requireOperation checks what the specification asks of a call, and what we do: that it
// says in words what it is for.
func requireOperation(t *testing.T, at, path string, op, schemes object) {
	t.Helper()
	for name := range op {
		require.Contains(t, []string{"tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody", "responses", "callbacks", "deprecated", "security", "servers"}, name, at)
	}
	require.NotEmpty(t, op["summary"], at)
	require.NotEmpty(t, op["tags"], at)
	var inPath []string
	seen := map[string]bool{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		param := p.(object)
		name := fmt.Sprint(param["in"], " ", param["name"])
		require.False(t, seen[name], "%s has twice %s", at, name)
		seen[name] = true
		require.Contains(t, []string{"path", "query", "header", "cookie"}, param["in"], at)
		require.NotNil(t, param["schema"], "%s: %s", at, name)
		if param["in"] == "path" {
			require.Equal(t, true, param["required"], "%s: %s", at, name)
			inPath = append(inPath, param["name"].(string))
		}
	}
	var inTemplate []string
	for _, found := range regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(path, -1) {
		inTemplate = append(inTemplate, found[1])
	}
	require.ElementsMatch(t, inTemplate, inPath, at)
	responses := op["responses"].(object)
	require.NotEmpty(t, responses, at)
	for status, r := range responses {
		require.Regexp(t, `^([1-5]\d\d|default)$`, status, at)
		require.NotEmpty(t, r.(object)["description"], "%s: %s", at, status)
	}
	if body, ok := op["requestBody"].(object); ok {
		require.NotEmpty(t, body["content"], at)
	}
	rules, _ := op["security"].([]any)
	for _, rule := range rules {
		for name := range rule.(object) {
			require.Contains(t, schemes, name, at)
		}
	}
}

// types are those of JSON Schema.
var types = []string{"null", "boolean", "object", "array", "number", "string", "integer"}

// requireValid checks every reference and every schema below node, which stands at path.
func requireValid(t *testing.T, doc object, path string, node any) {
	t.Helper()
	switch v := node.(type) {
	case []any:
		for i, element := range v {
			requireValid(t, doc, fmt.Sprintf("%s/%d", path, i), element)
		}
	case object:
		if ref, ok := v["$ref"].(string); ok {
			require.NotNil(t, find(doc, ref), "%s refers to %s, which is not there", path, ref)
		}
		if properties, ok := v["properties"].(object); ok {
			required, _ := v["required"].([]any)
			for _, name := range required {
				require.Contains(t, properties, name, path)
			}
		}
		if !strings.HasSuffix(path, "/properties") && !strings.HasSuffix(path, "/securitySchemes/bearer") && !strings.HasSuffix(path, "/securitySchemes/basic") {
			requireTypes(t, path, v)
		}
		for name, child := range v {
			if name != "examples" && name != "default" && name != "enum" {
				requireValid(t, doc, path+"/"+name, child)
			}
		}
	}
}

// requireTypes checks the type of a schema, if node is one.
func requireTypes(t *testing.T, path string, node object) {
	t.Helper()
	of := []any{node["type"]}
	if several, ok := node["type"].([]any); ok {
		of = several
	}
	for _, one := range of {
		if one == nil {
			continue
		}
		require.Contains(t, types, one, path)
		if one == "array" {
			require.NotNil(t, node["items"], path)
		}
	}
	if enum, ok := node["enum"].([]any); ok {
		require.NotEmpty(t, enum, path)
	}
	require.NotContains(t, node, "nullable", "%s: 3.1 has type null for it", path)
}

// find is what a reference within the document refers to; nil: there is nothing.
func find(doc object, ref string) any {
	rest, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	var at any = doc
	for name := range strings.SplitSeq(rest, "/") {
		o, ok := at.(object)
		if !ok {
			return nil
		}
		at = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return at
}

func TestOpenAPI_EveryPOSTThatIsMadeOnceSaysSo(t *testing.T) {
	w := everything(t)
	for id, op := range operations(w.huma.OpenAPI()) {
		var names []string
		for _, p := range op.Parameters {
			names = append(names, p.Name)
		}
		want := keyed(op.Method+" "+op.Path) || id == "submit-job"
		require.Equal(t, want, slices.Contains(names, keyHeader), id)
	}
	raw, err := json.Marshal(w.huma.OpenAPI())
	require.NoError(t, err)
	require.NotContains(t, string(raw), w.root)
}
