package report

// The names of results of scenarios, with their parameters. Each has the parameter
// scenario (S1 … S14, or compare) and, but for Verdict, policy: the word that names
// the policy, or "central" for the reference. Where a scenario is measured both on this
// machine and in the simulator, on tells which (OnMachine, OnSimulator). The command
// tells the first seed and how many there were.
const (
	// Verdict is a figure that a scenario has a target for: metric, target (such as
	// "≤ 0.20 s"), verdict (ok, short). The scenario's first is its main one.
	Verdict = "verdict"
	// Metric is any other figure of a policy, as a mean over seeds with its interval:
	// metric (makespan_ratio, makespan, p50, p95, p99, p999, goodput, goodput_work, attempts,
	// rejections, copies, wasted, jain, decision), and what else tells it from others:
	// load, nodes, tasks.
	Metric = "policy_metric"
	// CDF is a latency in seconds that a part q of the tasks does not exceed: q, load.
	CDF = "latency_cdf"
	// Goodput is the work of the tasks that were done in time ÷ what the nodes can do
	// meanwhile: offered (load ÷ capacity).
	Goodput = "goodput_of_capacity"
	// Controller is a figure of a policy with nodes that admit by a controller, held
	// against other controllers: admission, offered (load ÷ capacity), metric
	// (goodput_work, attempts).
	Controller = "controller"
	// Span is one attempt that ran on a node, in seconds: node, start, copy, done (true,
	// false), task.
	Span = "span"
	// Share is the part of the first sends that a node got, over time: node, step.
	Share = "share"
	// Moment is a figure over time: metric (goodput, latency), at (seconds).
	Moment = "moment"
)

// Where a scenario was measured: on real programs, or in the simulator.
const (
	OnMachine   = "machine"
	OnSimulator = "simulator"
)
