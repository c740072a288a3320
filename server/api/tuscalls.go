package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// tusCalls are the calls of the protocol as the description has them; the library that
// answers them declares nothing.
func (a *API) tusCalls() []huma.Operation {
	op := func(id, method, path, summary string, header ...*huma.Param) huma.Operation {
		o := huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{"files"}, Summary: summary}
		if path != uploadBase {
			o.Parameters = params("id")
		}
		o.Parameters = append(o.Parameters, header...)
		return o
	}
	version := heading("Tus-Resumable", true, "1.0.0")
	offset := heading("Upload-Offset", true, "the number of bytes that have come")
	chunk := &huma.RequestBody{Content: map[string]*huma.MediaType{"application/offset+octet-stream": {Schema: octets()}}}
	one := uploadBase + "/{id}"

	how := op("upload-protocol", http.MethodOptions, uploadBase, "What of the tus protocol is spoken")
	how.Description = "Tus-Version and Tus-Extension have it."
	how.Responses = a.answers(headOnly(http.StatusOK, "In the head"))

	begin := op("begin-upload", http.MethodPost, uploadBase, "Begin an upload that goes on after a broken connection", version,
		heading("Upload-Length", true, "bytes the file is to have"),
		heading("Upload-Metadata", true, "folder, filename, and if wanted sha256 (hexadecimal) and overwrite (true), each with its value in base64"))
	begin.Description = "By the tus protocol 1.0.0. Name and room are held from now on. Location is the path for the other calls. The file may begin, or come whole, as the body."
	begin.RequestBody = chunk
	begin.Responses = a.answers(headOnly(http.StatusCreated, "Begun", "Location", "Upload-Offset"),
		http.StatusBadRequest, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusLocked,
		http.StatusTooManyRequests, http.StatusNotImplemented, http.StatusServiceUnavailable, http.StatusInsufficientStorage)

	look := op("look-at-upload", http.MethodHead, one, "How many bytes of an upload have come")
	look.Description = "An upload of which all bytes have come has its file in its place. It is known for a day."
	look.Responses = a.answers(headOnly(http.StatusOK, "In the head", "Upload-Offset", "Upload-Length", "Upload-Metadata"),
		http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusLocked, http.StatusServiceUnavailable)

	on := op("continue-upload", http.MethodPatch, one, "Send the next bytes of an upload", version, offset)
	on.Description = "With the last byte the file gets its place; with another SHA-256 than was named, it is forgotten."
	on.RequestBody = chunk
	on.Responses = a.answers(headOnly(http.StatusNoContent, "Kept", "Upload-Offset"),
		http.StatusBadRequest, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusPreconditionFailed,
		http.StatusRequestEntityTooLarge, http.StatusLocked, http.StatusServiceUnavailable, http.StatusInsufficientStorage)

	end := op("end-upload", http.MethodDelete, one, "Forget an upload", version)
	end.Description = "Admins may end those of others. A file that has its place stays."
	end.Responses = a.answers(headOnly(http.StatusNoContent, "Forgotten"),
		http.StatusBadRequest, http.StatusNotFound, http.StatusPreconditionFailed, http.StatusLocked, http.StatusServiceUnavailable)
	return []huma.Operation{how, begin, look, on, end}
}

// heading describes a header of a request.
func heading(name string, required bool, words string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Required: required, Description: words, Schema: &huma.Schema{Type: huma.TypeString}}
}

// octets is the schema of bytes.
func octets() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "binary"} }

// headOnly describes an answer without a body, and its headers.
func headOnly(status int, words string, headers ...string) described {
	r := &huma.Response{Description: words, Headers: map[string]*huma.Param{}}
	for _, name := range headers {
		r.Headers[name] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return described{status, r}
}
