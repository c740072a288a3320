package account

import (
	"sync"
	"time"
)

// limiter lets each key through so many times in a row, and once every period after
// (a leaky bucket a key). Keys that have waited long enough are forgotten.
type limiter struct {
	burst  float64
	period time.Duration
	most   int // keys at once

	mu      sync.Mutex
	buckets map[string]bucket
	swept   time.Time
}

// bucket is what is in a key's bucket at a time; one leaks out every period.
type bucket struct {
	level float64
	at    time.Time
}

func newLimiter(burst int, period time.Duration, most int) *limiter {
	return &limiter{burst: float64(burst), period: period, most: most, buckets: map[string]bucket{}}
}

// level is what has not leaked out of b by now.
func (l *limiter) level(b bucket, now time.Time) float64 {
	return max(0, b.level-max(0, now.Sub(b.at).Seconds())/l.period.Seconds())
}

// take lets key through, or tells how long it has to wait.
func (l *limiter) take(key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[key]
	if !ok {
		l.sweep(now)
		if len(l.buckets) >= l.most {
			return l.period // as many as can be told apart wait already
		}
	}
	level := l.level(b, now) + 1
	if over := level - l.burst; over > 0 {
		return max(1, time.Duration(over*float64(l.period)))
	}
	l.buckets[key] = bucket{level, now}
	return 0
}

// back takes out again what one take put into key's bucket.
func (l *limiter) back(key string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets[key]; ok {
		l.buckets[key] = bucket{max(0, l.level(b, now)-1), now}
	}
}

// sweep forgets the empty buckets, once a period; mu is held.
func (l *limiter) sweep(now time.Time) {
	if now.Sub(l.swept) < l.period {
		return
	}
	l.swept = now
	for key, b := range l.buckets {
		if l.level(b, now) == 0 {
			delete(l.buckets, key)
		}
	}
}
