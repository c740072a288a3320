package api

import (
	"encoding/base64"
	"errors"
	"strings"

	"spillway/job"
)

// The bounds of a page.
const (
	pageDefault = 100
	pageMost    = 1000
)

// PageIn is what every list takes. Its tags say the bounds again, since the description
// is made of them. It is exported since the library fills in no other embedded struct.
type PageIn struct {
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the answer before; left out: the first page"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"so many at most"`
}

// after is the place behind which the page begins, "" for the first page. list names what
// is listed, in which order: a cursor of another list does not fit.
// Errors: InvalidArgument.
func (p PageIn) after(list string) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	of, place, ok := strings.Cut(string(raw), " ")
	if err != nil || !ok || of != list || place == "" {
		return "", badCursor()
	}
	return place, nil
}

// badCursor is the error for a cursor that leads nowhere.
func badCursor() error {
	return job.E(job.InvalidArgument, "cursor", errors.New("it is not one of this list, or what it stands at is forgotten"),
		"leave it out for the first page, and then take next_cursor as it is")
}

// pageOf cuts a page of at most limit off all, of which there should be one more where
// there is more to come, and makes the cursor of the next page; "": there is none. place
// is where an element stands.
func pageOf[T any](all []T, limit int, list string, place func(T) string) (page []T, next string) {
	if len(all) <= limit {
		return all, ""
	}
	page = all[:limit]
	return page, base64.RawURLEncoding.EncodeToString([]byte(list + " " + place(page[limit-1])))
}
