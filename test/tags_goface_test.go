//go:build goface

package test

// identityTags are the build tags of programs that tell faces apart.
const identityTags = ",goface"
