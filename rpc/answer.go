package rpc

// The answers of execute and delayed_execute.
const (
	answerSuccess  = "Success"
	answerRejected = "Rejected"
)
