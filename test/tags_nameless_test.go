//go:build !goface

package test

// identityTags are empty where go-face is not there.
const identityTags = ""
