package load

import (
	"context"
	"errors"
	"time"
)

// Fidelity measures the makespans of random and balance with the assignment's delay, in
// two to three minutes, and records them beside their closed forms. Errors: those of [Lab.Start] and [Cluster.Run].
func Fidelity(ctx context.Context, cfg Config) (err error) {
	lab, err := NewLab(cfg.Bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	b := &bench{Config: cfg, plan: cfg.plan(), lab: lab}
	// Jobs of six images would take thousands until their mean is as certain.
	b.plan.small = jobs{images: 12, delay: 3 * time.Second, every: 15 * time.Millisecond, least: 150, most: 2000, within: .014}
	if cfg.Quick {
		b.plan.small.most = 150
	}
	return b.policies(ctx)
}
