// Package systemd tells the service manager how a program is: sd_notify, for units
// of Type=notify and Type=notify-reload. Where no manager asks for it, that is
// without NOTIFY_SOCKET, everything here does nothing.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is the service manager. It may be used concurrently.
type Manager struct {
	log   *slog.Logger
	asked bool
	beat  time.Duration // of the watchdog; 0: none
}

// Find looks for a manager that wants to be told. The watchdog is this process's
// alone: those that it starts do not see it.
func Find(log *slog.Logger) *Manager {
	m := &Manager{log: log, asked: os.Getenv("NOTIFY_SOCKET") != ""}
	every, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		log.Warn("the watchdog of the service manager is not served", "err", err)
	}
	m.beat = every / 2
	return m
}

// Ready tells that the program serves, or has read its configuration again.
func (m *Manager) Ready(status string) { m.tell(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// Reloading tells that the configuration is read again; Ready must follow.
func (m *Manager) Reloading() {
	m.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping tells that the program ends, and takes up to grace for it.
func (m *Manager) Stopping(status string, grace time.Duration) {
	m.tell(fmt.Sprintf("%s\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, status, (grace + lastWords).Microseconds()))
}

// lastWords is what a program may need beyond its time of grace.
const lastWords = 10 * time.Second

// Watch lets the manager's watchdog know twice in each of its periods that the
// program lives, for as long as alive returns, until ctx ends. It returns at once
// where there is no watchdog.
func (m *Manager) Watch(ctx context.Context, alive func(context.Context)) {
	if !m.asked || m.beat <= 0 {
		return
	}
	tick := time.NewTicker(m.beat)
	defer tick.Stop()
	for {
		alive(ctx)
		m.tell(daemon.SdNotifyWatchdog)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Manager) tell(state string) {
	if !m.asked {
		return
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn("the service manager was not told", "err", err)
	}
}
