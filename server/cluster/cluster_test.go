package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

func TestCluster_FindsItsNodesAtOnce(t *testing.T) {
	inBubble(t, Config{}, 3, func(t *testing.T, r *rig) {
		require.Empty(t, r.heard(), "nothing is dialled before Run")
		r.start()
		require.ElementsMatch(t, []policy.Node{
			{ID: "node_0", Up: true, Slots: 4}, {ID: "node_1", Up: true, Slots: 4}, {ID: "node_2", Up: true, Slots: 4},
		}, r.heard())
		time.Sleep(time.Hour)
		require.Len(t, r.heard(), 3, "only changes are told")
		c := r.conns[0]
		c.with(func() {
			require.Equal(t, 1, c.profiles, "a profile does not change")
			require.InDelta(t, 3600, c.probes, 2)
		})
	})
}

func TestCluster_RefusedAttemptMakesTheNodeInaccessibleAtOnce(t *testing.T) {
	inBubble(t, Config{}, 2, func(t *testing.T, r *rig) {
		r.start()
		time.Sleep(10500 * time.Millisecond) // between two probes
		r.conns[0].set(refuses, refuses)
		hanging := r.send(1)
		_, err := r.Execute(t.Context(), 0, job.Task{})
		require.ErrorIs(t, err, job.ErrNotSent)
		synctest.Wait()
		require.Equal(t, policy.Node{ID: "node_0"}, r.heard()[2])

		executes := r.conns[0].executes
		_, err = r.Execute(t.Context(), 0, job.Task{})
		require.ErrorIs(t, err, job.ErrNotSent)
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.EqualError(t, err, "node_0: the node is inaccessible: dial 127.0.0.1:1: connection refused")
		require.Equal(t, executes, r.conns[0].executes, "nobody is called who is not at home")
		require.Equal(t, 1, r.outstanding(1), "the other node is left alone")
		r.release(1, hanging)
	})
}

func TestCluster_RefusedProbeMakesTheNodeInaccessibleAtOnce(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		answer := r.send(0)
		r.conns[0].set(refuses, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		err := <-answer
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.NotErrorIs(t, err, job.ErrNotSent, "the attempt was sent, the probe was not")
		require.False(t, r.heard()[1].Up)
	})
}

func TestCluster_ThreeMissedProbesEndTheAttemptsAtOnce(t *testing.T) {
	inBubble(t, Config{}, 2, func(t *testing.T, r *rig) {
		r.start()
		first, second, other := r.send(0), r.send(0), r.send(1)
		r.conns[0].set(silent, nil)
		start := time.Now()
		for _, answer := range []chan error{first, second} {
			err := <-answer
			require.Equal(t, job.Unavailable, job.CodeOf(err))
			require.EqualError(t, err, "node_0: the node is inaccessible: it answers no probe within 1s")
			require.NotErrorIs(t, err, job.ErrNotSent, "it may have been worked on")
		}
		require.InDelta(t, 3.5, time.Since(start).Seconds(), 0.6)
		nodes, err := r.Nodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, job.Inaccessible, nodes[0].State)
		require.Equal(t, "it answers no probe within 1s", nodes[0].Err)
		require.Equal(t, time.Now(), nodes[0].Since)
		require.Equal(t, job.Processing, nodes[1].State)
		require.Equal(t, "no node answers (node_0: it answers no probe within 1s)", r.Trouble())
		r.release(1, other)
	})
}

func TestCluster_TwoMissedProbesChangeNothing(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		answer := r.send(0)
		for range 10 {
			r.conns[0].set(silent, nil)
			time.Sleep(1900 * time.Millisecond) // two probes begin
			r.conns[0].set(nil, nil)
			time.Sleep(3 * time.Second)
		}
		require.Len(t, r.heard(), 1)
		require.Equal(t, 1, r.outstanding(0))
		r.release(0, answer)
	})
}

func TestCluster_NodeComesBackByItself(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.conns[0].set(refuses, refuses)
		r.start()
		time.Sleep(time.Minute)
		require.Empty(t, r.heard(), "a node that never answered did not change")
		require.Equal(t, "no node answers (node_0: dial 127.0.0.1:1: connection refused)", r.Trouble())
		for range 3 {
			r.conns[0].set(nil, nil)
			time.Sleep(1100 * time.Millisecond)
			c := r.conns[0]
			c.with(func() { c.profile.Slots++ }) // it is started again with other flags
			_, err := r.Execute(t.Context(), 0, job.Task{})
			require.NoError(t, err)
			r.conns[0].set(refuses, refuses)
			time.Sleep(1100 * time.Millisecond)
		}
		require.Equal(t, []policy.Node{
			{ID: "node_0", Up: true, Slots: 4},
			{ID: "node_0"},
			{ID: "node_0", Up: true, Slots: 5},
			{ID: "node_0"},
			{ID: "node_0", Up: true, Slots: 6},
			{ID: "node_0"},
		}, r.heard())
	})
}

func TestCluster_NodeThatAnswersProbesAndRefusesAttemptsDoesNotSpin(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		r.conns[0].set(nil, refuses)
		for range 1000 {
			_, err := r.Execute(t.Context(), 0, job.Task{})
			require.ErrorIs(t, err, job.ErrNotSent)
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, len(r.heard()), 23, "down and up once a probe")
		c := r.conns[0]
		c.with(func() { require.LessOrEqual(t, c.probes, 12) })
	})
}

func TestCluster_NodeThatAnswersNoAttemptGivesThemUp(t *testing.T) {
	rows := map[string]error{
		"it hangs": nil,
		"what it had runs out of time on this side": job.E(job.DeadlineExceeded, "", errors.New("too late"), ""),
	}
	for name, others := range rows {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{AttemptTimeout: time.Minute}, 1, func(t *testing.T, r *rig) {
				r.start()
				answer := r.send(0)
				start := time.Now()
				if others != nil {
					r.conns[0].set(nil, func(context.Context) error { return others })
					for range 5 {
						time.Sleep(10 * time.Second)
						_, err := r.Execute(t.Context(), 0, job.Task{})
						require.Equal(t, others, err)
					}
				}
				err := <-answer
				require.Equal(t, job.Unavailable, job.CodeOf(err))
				require.EqualError(t, err, "node_0: it did not answer the attempt for 1m0s")
				require.InDelta(t, 60, time.Since(start).Seconds(), 1.1)
				require.Len(t, r.heard(), 1, "it still answers probes, and may get better")

				r.conns[0].set(nil, nil)
				_, err = r.Execute(t.Context(), 0, job.Task{})
				require.NoError(t, err)
			})
		})
	}
}

func TestCluster_AttemptThatOthersOvertakeIsGivenUp(t *testing.T) {
	inBubble(t, Config{AttemptTimeout: time.Minute}, 1, func(t *testing.T, r *rig) {
		r.start()
		answer := r.send(0)
		answered := func(err error) {
			r.conns[0].set(nil, func(context.Context) error { return err })
			_, got := r.Execute(t.Context(), 0, job.Task{})
			require.Equal(t, err, got)
		}
		for range 5 {
			time.Sleep(50 * time.Second)
			answered(job.E(job.ResourceExhausted, "", errors.New("busy"), ""))
			require.Equal(t, 1, r.outstanding(0), "a node may reject while it works")
		}
		answered(nil)
		time.Sleep(2 * time.Second)
		require.Zero(t, r.outstanding(0))
		err := <-answer
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		require.ErrorContains(t, err, "it did not answer the attempt for 1m0s")
		require.Contains(t, job.HintOf(err), "--attempt-timeout")
	})
}

func TestCluster_QueuedAttemptsAreLeftAloneWhileTheNodeWorksThemOff(t *testing.T) {
	inBubble(t, Config{AttemptTimeout: time.Minute}, 1, func(t *testing.T, r *rig) {
		r.start()
		first, second := r.send(0), r.send(0)
		time.Sleep(50 * time.Second)
		r.release(0, first)
		time.Sleep(50 * time.Second)
		require.Equal(t, 1, r.outstanding(0))
		r.release(0, second)
	})
}

func TestCluster_TaskThatRunsOutOfTimeSaysNothingOfTheNode(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		late := job.E(job.DeadlineExceeded, "", job.NotSent(context.DeadlineExceeded), "")
		r.conns[0].set(nil, func(context.Context) error { return late })
		_, err := r.Execute(t.Context(), 0, job.Task{})
		require.Equal(t, late, err)
		time.Sleep(5 * time.Second)
		require.Len(t, r.heard(), 1, "it came up once and stayed")
	})
}

func TestCluster_AnIdleHourIsNoSilence(t *testing.T) {
	inBubble(t, Config{AttemptTimeout: time.Minute}, 1, func(t *testing.T, r *rig) {
		r.start()
		time.Sleep(time.Hour)
		answer := r.send(0)
		time.Sleep(59 * time.Second)
		require.Equal(t, 1, r.outstanding(0))
		r.release(0, answer)
	})
}

func TestCluster_AnAttemptThatTheCallerGivesUpSaysNothingOfTheNode(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		r.conns[0].set(nil, hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Execute(ctx, 0, job.Task{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		require.Len(t, r.heard(), 1)
		require.Zero(t, r.outstanding(0))
	})
}

func TestCluster_RunEndsEverythingAndClosesTheConnections(t *testing.T) {
	inBubble(t, Config{}, 3, func(t *testing.T, r *rig) {
		r.conns[2].set(silent, nil)
		r.start()
		hanging := r.send(0)
		r.stop()
		require.Equal(t, job.Unavailable, job.CodeOf(<-hanging))
		for _, c := range r.conns {
			require.Equal(t, 1, c.closed)
		}
		_, err := r.Execute(t.Context(), 0, job.Task{})
		require.ErrorIs(t, err, job.ErrNotSent)
		require.EqualError(t, err, "node_0: the server stops")
	})
}

func TestCluster_WarnsOfANodeThatGoesByAnotherName(t *testing.T) {
	inBubble(t, Config{}, 2, func(t *testing.T, r *rig) {
		r.conns[1].profile.Node = "node_7"
		r.start()
		require.Equal(t, 1, strings.Count(r.logs.String(), "node goes by another name"))
		require.Contains(t, r.logs.String(), `node=node_1 address=127.0.0.1:5001 calls_itself=node_7`)
		res, err := r.Execute(t.Context(), 1, job.Task{})
		require.NoError(t, err)
		require.Equal(t, job.NodeID("node_1"), res.Node, "results go by the name in machine.txt")
	})
}

func TestCluster_BasicNodesAreNotAskedWhatTheyCannotTell(t *testing.T) {
	inBubble(t, Config{}, 2, func(t *testing.T, r *rig) {
		r.conns[0].basic = true
		r.start()
		require.Contains(t, r.heard(), policy.Node{ID: "node_0", Up: true})
		require.Zero(t, r.conns[0].profiles)
		nodes, err := r.Nodes(t.Context())
		require.NoError(t, err)
		require.True(t, nodes[0].Basic)
		require.Empty(t, nodes[0].Operations)
		require.NotEmpty(t, nodes[1].Operations)
	})
}

func TestCluster_NodeThatTellsNoProfileIsMissed(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.conns[0].mute = true
		r.start()
		time.Sleep(10 * time.Second)
		require.Empty(t, r.heard())
		nodes, err := r.Nodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, "no profile today", nodes[0].Err)
	})
}

func TestCluster_OfferedOperationsAreThoseOfAnyNode(t *testing.T) {
	inBubble(t, Config{}, 3, func(t *testing.T, r *rig) {
		require.Empty(t, r.Operations(), "no node has told yet")
		r.conns[0].profile.Operations = []job.OperationInfo{{Name: "edges", Summary: "a"}, {Name: "blur"}}
		r.conns[1].basic = true
		r.conns[2].profile.Operations = []job.OperationInfo{{Name: "edges", Summary: "b"}, {Name: "rotate"}}
		r.start()
		require.Equal(t, []job.OperationInfo{{Name: "edges", Summary: "a"}, {Name: "blur"}, {Name: "rotate"}}, r.Operations())
	})
}

func TestCluster_DescribesWhatANodeDoes(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		describe := func() job.Node {
			nodes, err := r.Nodes(t.Context())
			require.NoError(t, err)
			require.Len(t, nodes, 1)
			return nodes[0]
		}
		n := describe()
		require.Equal(t, job.Inaccessible, n.State)
		require.Equal(t, "not reached yet", n.Err)
		r.start()
		n = describe()
		require.Equal(t, job.Idle, n.State)
		require.Empty(t, n.Err)
		require.Equal(t, "127.0.0.1:5000", n.Addr)

		answer := r.send(0)
		n = describe()
		require.Equal(t, job.Processing, n.State, "it has an attempt of ours")
		require.Equal(t, 1, n.Outstanding)
		r.release(0, answer)
		require.Equal(t, job.Idle, describe().State)

		c := r.conns[0]
		c.with(func() { c.load = job.Load{Slots: 4, Running: 2, Mean: time.Second} })
		time.Sleep(1100 * time.Millisecond)
		n = describe()
		require.Equal(t, job.Processing, n.State, "it works for somebody else")
		require.Equal(t, job.Load{Slots: 4, Running: 2, Mean: time.Second}, n.Load)
	})
}

func TestConfig_ValidateNamesTheValue(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	for want, c := range map[string]Config{
		"probe-every: -1s is negative; use a positive value":       {ProbeEvery: -time.Second},
		"misses: -3 is negative; use a positive value":             {Misses: -3},
		"attempt-timeout: -1m0s is negative; use a positive value": {AttemptTimeout: -time.Minute},
	} {
		err := c.Validate()
		require.Error(t, err)
		require.Equal(t, want, job.Describe(err))
		require.Equal(t, job.InvalidArgument, job.CodeOf(err))
	}
}

// still is content that does not move by itself.
type still struct{ job.Content }

func (still) Read(context.Context, []byte, int64) ([]byte, error) { return nil, nil }

func (still) Write(context.Context, job.Piece) error { return nil }

func TestCluster_FilesThatMoveAreASignOfLife(t *testing.T) {
	inBubble(t, Config{AttemptTimeout: time.Minute}, 1, func(t *testing.T, r *rig) {
		r.start()
		moves := make(chan job.Content, 1)
		r.conns[0].hold = func(ctx context.Context, t job.Task) error {
			moves <- t.Content
			<-ctx.Done()
			return ctx.Err()
		}
		answer := make(chan error, 1)
		go func() {
			_, err := r.Execute(t.Context(), 0, job.Task{Content: still{}})
			answer <- err
		}()
		files := <-moves
		for i := range 5 {
			time.Sleep(50 * time.Second)
			_, err := files.Read(t.Context(), make([]byte, 10), int64(10*i))
			require.NoError(t, err)
			require.Equal(t, 1, r.outstanding(0), "a slow transfer is none that hangs")
		}
		for i := range 5 {
			time.Sleep(50 * time.Second)
			require.NoError(t, files.Write(t.Context(), job.Piece{Name: "a", Size: 100, Offset: int64(10 * i), Data: make([]byte, 10)}))
			require.Equal(t, 1, r.outstanding(0))
		}
		time.Sleep(40 * time.Second)
		_, err := files.Read(t.Context(), make([]byte, 10), 0)
		require.NoError(t, err)
		require.NoError(t, files.Write(t.Context(), job.Piece{Name: "a", Size: 100, Data: make([]byte, 10)}))
		time.Sleep(22 * time.Second)
		require.Zero(t, r.outstanding(0), "what was moved before shows nothing")
		require.Equal(t, job.Unavailable, job.CodeOf(<-answer))
	})
}
