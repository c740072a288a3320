package load

import (
	"context"
	"errors"
)

// Fidelity measures the makespans of random and balance, in two to three minutes, and
// records them beside their closed forms. Errors: those of [Lab.Start] and [Cluster.Run].
func Fidelity(ctx context.Context, cfg Config) (err error) {
	lab, err := NewLab(cfg.Bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	b := &bench{Config: cfg, plan: cfg.plan(), lab: lab}
	return b.policies(ctx)
}
