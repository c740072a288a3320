package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table aligns cells: the first columns, which are text, to the left and the
// rest, which are numbers, to the right.
type table struct {
	text int // how many columns are text
	rows [][]string

	// groups are names over the numbers, an equal share of the columns each.
	groups []string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table without spaces at the ends of lines.
func (t *table) print(w io.Writer) {
	widths := make([]int, len(t.rows[0]))
	for _, cells := range t.rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if len(t.groups) > 0 {
		t.printGroups(w, widths)
	}
	for _, cells := range t.rows {
		var line strings.Builder
		for i, cell := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if line.WriteString(t.gap(i)); i < t.text {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// gap is what stands before column i.
func (t *table) gap(i int) string {
	switch {
	case i == 0:
		return ""
	case i >= t.text && len(t.groups) > 0 && (i-t.text)%t.share() == 0:
		return "  |  "
	}
	return "  "
}

// share is the number of columns of a group.
func (t *table) share() int { return (len(t.rows[0]) - t.text) / len(t.groups) }

// printGroups writes the line above the table.
func (t *table) printGroups(w io.Writer, widths []int) {
	var line strings.Builder
	at, length := 0, 0 // where the column begins, and how long the line is
	for i, width := range widths {
		gap := t.gap(i)
		if i >= t.text && (i-t.text)%t.share() == 0 {
			label := gap + t.groups[(i-t.text)/t.share()]
			line.WriteString(strings.Repeat(" ", max(0, at-length)) + label)
			length = max(at, length) + utf8.RuneCountInString(label)
		}
		at += len(gap) + width
	}
	fmt.Fprintln(w, line.String())
}
