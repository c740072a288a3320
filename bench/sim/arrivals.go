package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Arrivals is when tasks come. The zero Arrivals is a batch: all are there at time 0.
type Arrivals struct {
	// Window is the most tasks of a batch that are under way at once. Default: all.
	Window int
	// Rate is that of a Poisson process, tasks a second.
	Rate float64
	// Load is instead of Rate: the part of the nodes' capacity that the tasks ask for,
	// with the speeds that antagonists leave on average.
	Load float64
	// Steps vary the rate: a ramp, or a spike. The last lasts on. nil: none.
	Steps []Step
	// Burst varies it by chance.
	Burst Burst
	// At are the times themselves, one for each task, rising. nil: the above.
	At []time.Duration
}

// Step is a factor on the rate for a time.
type Step struct {
	For   time.Duration
	Times float64
}

// Burst is an on/off process with exponential times of mean On and Off: the rate is
// Times the mean while on, and so much less while off that the mean stays.
type Burst struct {
	On, Off time.Duration
	Times   float64
}

// quiet is the factor on the rate while off.
func (b Burst) quiet() float64 {
	on := b.On.Seconds() / (b.On + b.Off).Seconds()
	return (1 - on*b.Times) / (1 - on)
}

func (a Arrivals) batch() bool { return a.Rate == 0 && a.Load == 0 && a.At == nil }

func (a Arrivals) validate(tasks int) error {
	rated := a.Rate > 0 || a.Load > 0
	varied := len(a.Steps) > 0 || a.Burst != Burst{}
	switch {
	case min(float64(a.Window), a.Rate, a.Load) < 0:
		return bad("arrivals", "window, rate or load is negative", "give 0 or more")
	case a.Rate > 0 && a.Load > 0 || a.At != nil && rated:
		return bad("arrivals", "more than one of rate, load and times is given", "give one")
	case a.Window > 0 && !a.batch():
		return bad("arrivals", "a window is for a batch", "give no rate, or no window")
	case varied && !rated:
		return bad("arrivals", "steps and bursts vary a rate, and there is none", "give a rate or a load")
	case a.At != nil:
		return a.validateTimes(tasks)
	}
	return a.validateRate()
}

func (a Arrivals) validateTimes(tasks int) error {
	if len(a.At) != tasks || a.At[0] < 0 || !slices.IsSorted(a.At) {
		return bad("arrivals", fmt.Sprintf("%d times for %d tasks, or not rising", len(a.At), tasks), "give a time for each task, in order")
	}
	return nil
}

func (a Arrivals) validateRate() error {
	for i, s := range a.Steps {
		if s.For <= 0 || !(s.Times >= 0) || i == len(a.Steps)-1 && s.Times == 0 {
			return bad(fmt.Sprintf("step %d", i), "its time is not above 0, or nothing ever comes after it", "such as 10s at 1.5")
		}
	}
	return a.Burst.validate()
}

func (b Burst) validate() error {
	if b != (Burst{}) && (b.On <= 0 || b.Off <= 0 || b.Times < 1 || b.quiet() < 0) {
		return bad("bursts", "on and off must be above 0, and the factor from 1 to (on+off)/on", "such as on 1s, off 4s, factor 3")
	}
	return nil
}

// process draws the arrivals in order.
type process struct {
	Arrivals
	sizes  Sizes
	rand   *rand.Rand
	rate   float64 // tasks a nanosecond
	now    float64 // ns
	next   int     // task
	step   int
	stepAt float64 // when the next step begins; +Inf: never
	on     bool
	turnAt float64 // when a burst begins or ends; +Inf: never
}

// newProcess draws from r. capacity is work done in a second, in seconds.
func newProcess(a Arrivals, s Sizes, capacity float64, r *rand.Rand) *process {
	p := &process{Arrivals: a, sizes: s, rand: r, rate: a.Rate / 1e9, stepAt: math.Inf(1), turnAt: math.Inf(1)}
	if a.Load > 0 {
		p.rate = a.Load * capacity / s.mean() / 1e9
	}
	if len(a.Steps) > 1 {
		p.stepAt = float64(a.Steps[0].For)
	}
	if a.Burst != (Burst{}) {
		p.turnAt = r.ExpFloat64() * float64(a.Burst.Off)
	}
	return p
}

// arrival is a task that comes.
type arrival struct {
	at   int64   // ns
	size float64 // ns on a node of speed 1
	pick uint32  // chooses its server
}

// draw is the next task.
func (p *process) draw() arrival {
	a := arrival{pick: p.rand.Uint32(), size: p.sizes.draw(p.next, p.rand)}
	switch {
	case p.At != nil:
		a.at = int64(p.At[p.next])
	case !p.batch():
		a.at = int64(p.pass(p.rand.ExpFloat64()))
	}
	p.next++
	return a
}

// pass lets time pass until so many tasks would have come on average, and returns it:
// a Poisson process whose rate changes is one of rate 1 in the integral of the rate.
func (p *process) pass(left float64) float64 {
	for {
		rate, until := p.rate*p.factor(), min(p.stepAt, p.turnAt)
		if need := left / rate; p.now+need <= until {
			p.now += need
			return p.now
		}
		left -= (until - p.now) * rate
		p.now = until
		p.change()
	}
}

// factor is that on the rate now.
func (p *process) factor() float64 {
	f := 1.0
	if len(p.Steps) > 0 {
		f = p.Steps[p.step].Times
	}
	switch {
	case p.Burst == Burst{}:
	case p.on:
		f *= p.Burst.Times
	default:
		f *= p.Burst.quiet()
	}
	return f
}

// change goes on to the next step or turn of the burst, which is due.
func (p *process) change() {
	if p.now >= p.stepAt {
		p.stepAt = math.Inf(1)
		if p.step++; p.step < len(p.Steps)-1 {
			p.stepAt = p.now + float64(p.Steps[p.step].For)
		}
		return
	}
	p.on = !p.on
	mean := p.Burst.Off
	if p.on {
		mean = p.Burst.On
	}
	p.turnAt = p.now + p.rand.ExpFloat64()*float64(mean)
}
