package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/server/policy"
)

// states are the nodes as a client sees them: "node_0 idle".
func (r *rig) states() []string {
	r.t.Helper()
	nodes, err := r.Nodes(r.t.Context())
	require.NoError(r.t, err)
	states := []string{}
	for _, n := range nodes {
		states = append(states, fmt.Sprintf("%s %s", n.ID, n.State))
	}
	return states
}

// join registers a node, and waits until it was asked once.
func (r *rig) join(name, addr string, tags ...string) {
	r.t.Helper()
	every, err := r.Register(r.t.Context(), job.Registration{Node: job.NodeID(name), Addr: addr, Tags: tags})
	require.NoError(r.t, err)
	require.Equal(r.t, 5*time.Second, every)
	synctest.Wait()
}

func TestMember_JoinsARunningServer(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000", "gpu")
		require.Equal(t, []string{"node_0 idle", "node_9 idle"}, r.states())
		require.Equal(t, 2, r.Len())
		require.Equal(t, job.NodeID("node_9"), r.ID(1))
		require.Contains(t, r.heard(), policy.Node{ID: "node_9", Up: true, Slots: 4})
		_, err := r.Execute(t.Context(), 1, job.Task{})
		require.NoError(t, err)
		nodes, err := r.Nodes(t.Context())
		require.NoError(t, err)
		require.True(t, nodes[1].Registered)
		require.False(t, nodes[0].Registered)
		text, err := r.NodeLog(t.Context(), "node_9", 2)
		require.NoError(t, err)
		require.Equal(t, []string{"two", "three"}, text)
		for range 100 {
			time.Sleep(5 * time.Second)
			r.join("node_9", "10.0.0.9:5000")
		}
		require.Equal(t, 2, r.Len(), "it is the same node each time")
	})
}

func TestMember_JoinsBeforeTheServerRuns(t *testing.T) {
	inBubble(t, Config{}, 0, func(t *testing.T, r *rig) {
		require.Equal(t, "there is no node; add one to machine.txt, or start one with --controller", r.Trouble())
		r.join("node_9", "10.0.0.9:5000")
		r.start()
		require.Equal(t, []string{"node_9 idle"}, r.states())
	})
}

func TestMember_TagsReachThePolicies(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.conns[0].profile.Tags, r.conns[0].profile.Machine = []string{"gpu"}, job.Machine{Cores: 8}
		r.start()
		require.Equal(t, []policy.Node{{ID: "node_0", Up: true, Slots: 4, Tags: []string{"gpu"}}}, r.heard())
		nodes, err := r.Nodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"gpu"}, nodes[0].Tags)
		require.Equal(t, 8, nodes[0].Machine.Cores)
	})
}

func TestMember_SilentOneIsForgottenOnlyWhenItAnswersNoProbeEither(t *testing.T) {
	inBubble(t, Config{}, 0, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		time.Sleep(time.Hour)
		require.Equal(t, []string{"node_9 idle"}, r.states(), "it answers, so it stays")
		r.conns[0].set(refuses, nil)
		time.Sleep(1100 * time.Millisecond)
		require.Empty(t, r.states())
		require.Equal(t, policy.Node{ID: "node_9", Gone: true}, r.heard()[len(r.heard())-1])
		c := r.conns[0]
		probes := 0
		c.with(func() {
			require.Equal(t, 1, c.closed)
			probes = c.probes
		})
		_, err := r.Execute(t.Context(), 0, job.Task{})
		require.ErrorIs(t, err, job.ErrNotSent)
		require.EqualError(t, err, "node_9: it has not been heard of for 15s")
		time.Sleep(time.Hour)
		c.with(func() { require.Equal(t, probes, c.probes, "nobody asks for it any more") })

		r.join("node_9", "10.0.0.9:5000")
		require.Equal(t, 2, r.Len(), "an index is never used again")
		require.Equal(t, []string{"node_9 idle"}, r.states())
	})
}

func TestMember_ThatRegistersStaysWhileItIsInaccessible(t *testing.T) {
	inBubble(t, Config{}, 0, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		r.conns[0].set(silent, nil)
		for range 10 {
			time.Sleep(5 * time.Second)
			r.join("node_9", "10.0.0.9:5000")
		}
		require.Equal(t, []string{"node_9 inaccessible"}, r.states())
		r.conns[0].set(nil, nil)
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"node_9 idle"}, r.states())
		require.Equal(t, 1, r.Len())
	})
}

func TestMember_ThatStopsGetsNothingNewAndIsForgottenAtOnce(t *testing.T) {
	inBubble(t, Config{}, 0, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		answer := r.send(0)
		_, err := r.Register(t.Context(), job.Registration{Node: "node_9", Addr: "10.0.0.9:5000", Leaving: true})
		require.NoError(t, err)
		require.Equal(t, []string{"node_9 draining"}, r.states())
		_, err = r.Execute(t.Context(), 0, job.Task{})
		require.ErrorIs(t, err, job.ErrNotSent)
		r.release(0, answer)
		r.conns[0].set(refuses, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(t, r.states())
		_, err = r.Register(t.Context(), job.Registration{Node: "node_9", Addr: "10.0.0.9:5000", Leaving: true})
		require.NoError(t, err)
		require.Equal(t, 1, r.Len(), "a farewell makes no node")
	})
}

func TestMember_NamesAndAddressesOfOthersAreRefused(t *testing.T) {
	inBubble(t, Config{MaxNodes: 3}, 1, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		r.join("node_0", "127.0.0.1:5000") // as in machine.txt
		require.Equal(t, 2, r.Len())
		refused := func(name, addr string) error {
			_, err := r.Register(t.Context(), job.Registration{Node: job.NodeID(name), Addr: addr})
			require.Error(t, err)
			require.NotEmpty(t, job.HintOf(err))
			return err
		}
		require.EqualError(t, refused("node_0", "10.0.0.7:5000"), "register node_0: machine.txt has a node of that name, at 127.0.0.1:5000")
		require.EqualError(t, refused("node_9", "10.0.0.7:5000"), "register node_9: a node of that name answers at 10.0.0.9:5000")
		require.EqualError(t, refused("node_8", "10.0.0.9:5000"), "register node_8: its address 10.0.0.9:5000 is that of node_9")
		require.Equal(t, job.InvalidArgument, job.CodeOf(refused("a b", "10.0.0.9:5000")))
		r.join("node_7", "10.0.0.7:5000")
		require.Equal(t, job.ResourceExhausted, job.CodeOf(refused("node_6", "10.0.0.6:5000")))
	})
}

func TestMember_ComesBackFromAnotherAddressOnceTheOldOneIsSilent(t *testing.T) {
	inBubble(t, Config{}, 0, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		r.conns[0].set(refuses, nil)
		time.Sleep(1100 * time.Millisecond)
		r.join("node_9", "10.0.0.9:6000")
		require.Equal(t, []string{"node_9 idle"}, r.states())
		require.Equal(t, 2, r.Len())
		require.Equal(t, policy.Node{ID: "node_9", Up: true, Slots: 4}, r.heard()[len(r.heard())-1])
	})
}

func TestMember_DrainFinishesWhatRunsAndSendsNothingNew(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		answer := r.send(0)
		require.NoError(t, r.Drain(t.Context(), "node_0", true))
		require.Equal(t, []string{"node_0 draining"}, r.states())
		require.Equal(t, policy.Node{ID: "node_0"}, r.heard()[1])
		_, err := r.Execute(t.Context(), 0, job.Task{})
		require.EqualError(t, err, "node_0: the node drains")
		require.ErrorIs(t, err, job.ErrNotSent)
		require.Equal(t, "every node that answers drains (such as node_0)", r.Trouble())
		time.Sleep(time.Minute)
		require.Equal(t, 1, r.outstanding(0))
		r.release(0, answer)

		r.conns[0].set(refuses, nil) // it is started again
		time.Sleep(5 * time.Second)
		require.Equal(t, []string{"node_0 inaccessible"}, r.states())
		r.conns[0].set(nil, nil)
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"node_0 draining"}, r.states(), "it stays drained")
		require.Len(t, r.heard(), 2)

		require.NoError(t, r.Drain(t.Context(), "node_0", false))
		require.Equal(t, policy.Node{ID: "node_0", Up: true, Slots: 4}, r.heard()[2])
		_, err = r.Execute(t.Context(), 0, job.Task{})
		require.NoError(t, err)
		require.Equal(t, job.NotFound, job.CodeOf(r.Drain(t.Context(), "node_7", true)))
		_, err = r.NodeLog(t.Context(), "node_7", 1)
		require.Equal(t, job.NotFound, job.CodeOf(err))
	})
}

func TestMember_DrainOutlivesANodeThatWasForgotten(t *testing.T) {
	inBubble(t, Config{}, 0, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		require.NoError(t, r.Drain(t.Context(), "node_9", true))
		r.conns[0].set(refuses, nil)
		time.Sleep(time.Minute)
		require.Empty(t, r.states())
		r.join("node_9", "10.0.0.9:5000")
		require.Equal(t, []string{"node_9 draining"}, r.states())
	})
}

func TestMember_NodeThatSaysItDrainsIsBelievedAtOnce(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		time.Sleep(500 * time.Millisecond) // between two probes
		rejected := job.E(job.ResourceExhausted, "", errors.New("it drains"), "")
		rejected.Load = &job.Load{Draining: true}
		r.conns[0].set(nil, func(context.Context) error { return rejected })
		_, err := r.Execute(t.Context(), 0, job.Task{})
		require.Equal(t, rejected, err)
		require.Equal(t, []string{"node_0 draining"}, r.states())
		require.False(t, r.heard()[1].Up)
		time.Sleep(time.Second)
		require.Equal(t, []string{"node_0 idle"}, r.states(), "a probe tells better")
	})
}

func TestMember_RereadMachineTxtAddsDrainsAndMoves(t *testing.T) {
	inBubble(t, Config{}, 3, func(t *testing.T, r *rig) {
		r.start()
		r.join("node_9", "10.0.0.9:5000")
		kept, left, moved := r.send(0), r.send(1), r.send(2)
		r.Set([]Member{{"node_0", "127.0.0.1:5000"}, {"node_2", "127.0.0.1:6002"}, {"node_3", "127.0.0.1:5003"}})
		synctest.Wait()
		require.Equal(t, []string{"node_0 processing", "node_1 draining", "node_2 draining", "node_9 idle", "node_2 idle", "node_3 idle"}, r.states())
		time.Sleep(time.Minute)
		r.release(1, left)
		synctest.Wait()
		require.Equal(t, []string{"node_0 processing", "node_2 draining", "node_9 idle", "node_2 idle", "node_3 idle"}, r.states())
		r.release(2, moved)
		synctest.Wait()
		require.Equal(t, []string{"node_0 processing", "node_9 idle", "node_2 idle", "node_3 idle"}, r.states())
		require.Equal(t, 6, r.Len())
		r.release(0, kept)

		r.Set([]Member{{"node_0", "127.0.0.1:5000"}, {"node_9", "10.0.0.9:5000"}})
		synctest.Wait()
		require.Equal(t, []string{"node_0 idle", "node_9 idle"}, r.states())
		r.conns[3].set(refuses, nil)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"node_0 idle", "node_9 inaccessible"}, r.states(), "machine.txt has it now")
		r.Set(nil)
		synctest.Wait()
		require.Empty(t, r.states())
	})
}

func TestMember_LineThatComesBackInTimeKeepsItsNode(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		answer := r.send(0)
		r.Set(nil)
		require.Equal(t, []string{"node_0 draining"}, r.states())
		r.Set([]Member{{"node_0", "127.0.0.1:5000"}})
		r.release(0, answer)
		synctest.Wait()
		require.Equal(t, []string{"node_0 idle"}, r.states())
		require.Equal(t, 1, r.Len())
		require.True(t, r.heard()[len(r.heard())-1].Up)
	})
}

func TestMember_LeavingNodeThatDiesGivesItsAttemptsUp(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		answer := r.send(0)
		r.Set(nil)
		r.conns[0].set(refuses, nil)
		err := <-answer
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		synctest.Wait()
		require.Empty(t, r.states())
	})
}

func TestMember_NobodyJoinsAServerThatStops(t *testing.T) {
	inBubble(t, Config{}, 1, func(t *testing.T, r *rig) {
		r.start()
		r.stop()
		_, err := r.Register(t.Context(), job.Registration{Node: "node_9", Addr: "10.0.0.9:5000"})
		require.Equal(t, job.Unavailable, job.CodeOf(err))
		r.Set([]Member{{"node_5", "10.0.0.5:5000"}})
		require.Equal(t, 1, r.Len())
	})
}

// Nodes come, go and drain while attempts run on all of them: every attempt ends,
// and every index stays what it was.
func TestMember_ComingAndGoingUnderAttempts(t *testing.T) {
	inBubble(t, Config{}, 2, func(t *testing.T, r *rig) {
		r.start()
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for n := worker; ctx.Err() == nil; n++ {
					i := n % r.Len()
					id := r.ID(i)
					res, err := r.Execute(ctx, i, job.Task{})
					if err == nil && res.Node != id {
						t.Errorf("node %d was %s, and is %s", i, id, res.Node)
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		for n := range 40 {
			name := fmt.Sprintf("node_%d", 2+n%7)
			r.join(name, fmt.Sprintf("10.0.0.1:%d", 5000+n%7))
			require.NoError(t, r.Drain(ctx, "node_0", n%2 == 0))
			r.Set([]Member{{"node_0", "127.0.0.1:5000"}, {"node_1", fmt.Sprintf("127.0.0.1:%d", 6000+n)}})
			_, err := r.Register(ctx, job.Registration{Node: job.NodeID(name), Addr: fmt.Sprintf("10.0.0.1:%d", 5000+n%7), Leaving: true})
			require.NoError(t, err)
			time.Sleep(250 * time.Millisecond)
		}
		stop()
		wg.Wait()
		require.Contains(t, r.states(), "node_0 idle")
	})
}
