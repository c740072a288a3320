package report

import "strings"

// term is a word of the report, and what it means.
type term struct {
	Word, Meaning string
	// lower tells of a metric that less of it is better.
	lower bool
}

// metrics are the figures of policies, in the order of the tables.
func metrics() []term {
	return []term{
		{"makespan", "From the start of a job until its last task is done.", true},
		{"makespan_p50", "Makespan that half of the jobs do not exceed.", true},
		{"makespan_p95", "Makespan that 95 % of the jobs do not exceed.", true},
		{"makespan_p99", "Makespan that 99 % of the jobs do not exceed.", true},
		{"makespan_ratio", "Makespan ÷ bound. No policy can end before bound = max(all work ÷ all speed, the largest task ÷ the fastest node), so 1 cannot be beaten.", true},
		{"mean", "Mean latency.", true},
		{"latency", "Mean latency.", true},
		{"p50", "Latency that half of the tasks do not exceed; from the moment at which a task was meant to come, so that a late start counts.", true},
		{"p95", "Latency that 95 % of the tasks do not exceed.", true},
		{"p99", "Latency that 99 % of the tasks do not exceed.", true},
		{"p999", "Latency that 99.9 % of the tasks do not exceed.", true},
		{"p99_ratio", "p99 ÷ that of the central queue on the same arrivals.", true},
		{"goodput", "Part of the offered tasks that were done before their deadline.", false},
		{"goodput_work", "Work of the tasks that were done before their deadline ÷ what is possible, which is the lesser of what came and what the nodes can do. Counted are tasks that came after a warm-up and a deadline before the last, so that no queue is served without competition.", false},
		{"goodput_tasks", "The same by tasks. A policy that drops large tasks first gains by it, and may exceed 1.", false},
		{"copying_p2c_p99_ratio", "p99 of this program's p2c, which sends second copies, ÷ that of the policy that is judged; without a target.", false},
		{"attempts", "How often nodes were sent to for each task that is done: 1 is the least, and what exceeds it was rejected, broken or a copy.", true},
		{"rejections", "How often nodes turned a task away.", true},
		{"copies", "Second copies of slow tasks, for each task.", true},
		{"wasted", "Part of the nodes' work whose result nobody used.", true},
		{"jain", "Jain's index of each node's busy time ÷ its speed: 1 where all are equally busy, 1/n where one node does everything.", false},
		{"deadline_errors", "Tasks that missed their deadline in runs in which the central queue missed none.", true},
		{"goodput_after_spike", "Goodput from five seconds after the spike on.", false},
		{"recovery", "Time after the spike until the goodput is back.", true},
		{"late_share", "Part of the first sends that the rejecting node still gets after 200 tasks.", true},
		{"first_sends", "The same on real programs, of a second job.", true},
		{"decision", "Time that the policy takes to choose a node.", true},
		{"decision_few_excluded", "The same where ten nodes are left out.", true},
		{"decision_half_excluded", "The same where half of the nodes are left out.", true},
		{"decision_most_excluded", "The same where all nodes but ten are left out.", true},
		{"attempt", "Time that the policy takes for a whole attempt: to choose a node, and to take in how it went.", true},
		{"allocations", "Allocations of memory for each decision.", true},
		{"processor", "Time of the processor that the simulator takes.", true},
		{"wall", "Time that the simulator takes.", true},
		{"outside", "How long a job that was done took beyond what the server saw of it, from when it should have come. Deadlines count from when the server has a job, so that much time here tells that the machine could not keep up with the arrivals.", true},
		{"kills", "How many nodes were killed.", false},
	}
}

// metric is the term of a metric; one that is not known is its own word, and says
// nothing of what is better.
func metric(word string) (t term, known bool) {
	for _, t := range metrics() {
		if t.Word == word {
			return t, true
		}
	}
	return term{Word: word}, false
}

// title is the word of a metric as a table's head has it.
func title(word string) string {
	titles := map[string]string{
		"makespan_p50": "p50 of makespans", "makespan_p95": "p95 of makespans", "makespan_p99": "p99 of makespans",
		"makespan_ratio": "makespan ÷ bound", "p999": "p99.9", "p99_ratio": "p99 ÷ central", "goodput_work": "goodput ÷ ideal, by work", "goodput_tasks": "goodput ÷ ideal, by tasks",
		"copying_p2c_p99_ratio": "p99 of p2c with copies ÷ p99", "jain": "Jain index",
		"attempts": "attempts a task", "rejections": "rejections a task", "copies": "copies a task", "wasted": "wasted work", "outside": "outside the server",
	}
	if t, ok := titles[word]; ok {
		return t
	}
	if plain, ok := strings.CutSuffix(word, "_simulated"); ok {
		return title(plain) + ", simulated"
	}
	return strings.ReplaceAll(word, "_", " ")
}

// mainMetric is the one by which the policies of a scenario are ordered.
func mainMetric(scenario string) string {
	switch scenario {
	case "S4":
		return "late_share"
	case "S5", "S6":
		return "makespan_ratio"
	case "S7", "S8":
		return "p99"
	case "S9":
		return "deadline_errors"
	case "S10":
		return "goodput_work"
	case "S11":
		return "goodput_after_spike"
	case "S14":
		return "decision"
	}
	return "makespan"
}

// setting is what a scenario is about.
type setting struct{ title, text string }

// settingOf is that of a scenario, by its name.
func settingOf(scenario string) setting {
	all := map[string]setting{
		"S1": {"Fidelity of random and balance", "The assignment's two policies on four nodes that delay with their load probabilities, held against the closed forms of their expected makespan. " +
			"Where the measured means meet the formulas, the other figures of the same programs can be trusted as well."},
		"S2": {"Six images on .1 .5 .2 .9", "Six images at once on four nodes that reject and delay with the chances .1, .5, .2 and .9; the delay is 3 s and the work itself takes almost no time. " +
			"Cold: nothing is known of the nodes before; warm: jobs have run there."},
		"S3": {"A hundred images, four at once", "The nodes of S2, a hundred images, and never more than four under way. " +
			"A delay that strikes one of four places holds up a quarter of everything, so that the policy must learn fast and cut delays short. " +
			"Beside it 200 images of 300 ms, all at once: there the nodes sleep through delays side by side, and a slot that idles costs most."},
		"S4": {"A node that rejects nearly everything", "One node answers at once, but with a rejection nine times in ten or more, so that it looks fast. " +
			"A policy that takes a quick answer for a good one keeps sending there; shown is how soon each stops."},
		"S5": {"Unequal nodes", "A batch of tasks on many nodes of unequal speeds, a hundred tasks a node and then ten. " +
			"With so few tasks a node, one large task on a slow node at the end makes the whole job late."},
		"S6": {"Stragglers", "A batch on nodes of which one in twenty is eight times slower than it says. " +
			"Second copies of what is late save the makespan, but each costs work, so their number is bound."},
		"S7": {"A stream, with antagonists", "Tasks come one after the other whether or not earlier ones are done (an open loop), at .7 and .9 of the capacity, while other programs slow nodes down for seconds. " +
			"The reference is one central queue that always knows who is free. Judged is against p2c:hedge=0, which is p2c as its papers have it; the p2c of this program sends second copies as well."},
		"S8": {"Fifty servers", "Fifty servers send to the same nodes, and each knows its own tasks only. " +
			"Counting one's own tasks then says little about how busy a node is; asking the nodes does. Judged is against p2c:hedge=0, as its papers have it."},
		"S9": {"A ramp of load", "The load rises in steps from .75 to 1.74 of the nodes' share, as in Prequal's experiment, with a deadline on each task. " +
			"As long as any schedule can meet all deadlines, so should the policy."},
		"S10": {"Overload", "One and a half to three times as many tasks come as the nodes can do, each with a deadline. " +
			"What counts is to go on doing as many as possible in time, rather than all of them too late, and not to waste attempts on it. " +
			"Played are the policies, and then the admission controllers of the nodes with two of them; on real programs the default policy, with jobs of one task each."},
		"S11": {"A spike", "A burst far above the capacity, and then a steady load of .8. " +
			"A system that stays slow after the burst is gone (metastable failure) would show here: the goodput must be back within seconds."},
		"S12": {"Nodes die and flap", "Nodes are killed, return and are killed again while jobs run. " +
			"Every output must come, each once."},
		"S13": {"The simulator itself", "How fast the simulator plays ten thousand nodes and a million tasks, or fewer with --quick, and how near it comes to a real cluster with the same settings. " +
			"The other simulated figures are worth as much as this agreement. The simulator gets the times of a round trip and of a task from another run of the same setting, before those that it is held against. " +
			"Left out are random and balance: a run of theirs lasts one injected delay or two by chance, so that it would take hundreds of runs until their means can be told to be within 5 %."},
		"S14": {"The price of a decision", "One decision among many nodes, ten thousand unless it is played smaller, measured as Go benchmarks do. " +
			"It must take a microsecond at most and leave nothing for the garbage collector."},
		"compare": {"Random against balance, and the rest", "The policies one after the other on the same real nodes, client, server and nodes being processes of their own on this machine. " +
			"Each set of load probabilities, and all else that was asked for, has a table of its own."},
	}
	if s, ok := all[scenario]; ok {
		return s
	}
	return setting{title: scenario}
}
