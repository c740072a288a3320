package report

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page.html.tmpl
var pageFiles embed.FS

// Page is the report on the scenarios among rs as one HTML page that needs nothing
// else: no network, no script. rules say in a line what each policy does, by its name.
// What was not measured is left out. Errors: plain, where a plot cannot be drawn.
func Page(rs Results, rules map[string]string) (string, error) {
	d, err := digestOf(rs, rules)
	if err != nil {
		return "", err
	}
	page, err := template.New("page.html.tmpl").Funcs(template.FuncMap{"join": strings.Join}).ParseFS(pageFiles, "page.html.tmpl")
	if err != nil {
		return "", fmt.Errorf("template of the page: %w", err)
	}
	var out strings.Builder
	err = page.Execute(&out, d)
	return out.String(), err
}
