package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
	"spillway/server/policy"
	"spillway/view"
)

type (
	nodesOut struct {
		Body struct {
			Nodes []view.Node `json:"nodes" nullable:"false" doc:"all, by name"`
		}
	}
	// NodeIn is what every call about a node takes. It is exported since the library fills
	// in no other embedded struct.
	NodeIn struct {
		Name string `path:"name" doc:"the node's name"`
	}
	nodeOut struct {
		Body view.Node
	}
	nodeLogIn struct {
		NodeIn
		Lines int `query:"lines" minimum:"1" maximum:"1000" default:"20" doc:"so many at most, the last ones"`
	}
	nodeLogOut struct {
		Body struct {
			Lines []string `json:"lines" nullable:"false" doc:"oldest first"`
		}
	}
	operationsOut struct {
		Body struct {
			Operations []view.Operation `json:"operations" nullable:"false" doc:"those that some node offers"`
		}
	}
	policyJSON struct {
		Name    string            `json:"name" example:"pull"`
		Summary string            `json:"summary" doc:"what it does"`
		Params  []policyParamJSON `json:"params" nullable:"false" doc:"what it takes"`
	}
	policyParamJSON struct {
		Name    string `json:"name" example:"hedge"`
		Default string `json:"default" doc:"its value where it is not given"`
		Summary string `json:"summary" doc:"what it does"`
	}
	policiesOut struct {
		Body struct {
			Policies []policyJSON `json:"policies" nullable:"false" doc:"by name"`
			Default  string       `json:"default" doc:"the policy of jobs that name none" example:"pull"`
		}
	}
)

// addNodes declares what can be done with nodes, and what they offer, if the server has
// any.
func (a *API) addNodes() {
	if a.cfg.Nodes == nil {
		return
	}
	tag := []string{"nodes"}
	register(a, huma.Operation{OperationID: "nodes", Method: http.MethodGet, Path: "/nodes", Tags: tag, Summary: "List the compute nodes, and how busy they are"}, by(job.Viewer), a.nodes)
	register(a, huma.Operation{OperationID: "node", Method: http.MethodGet, Path: "/nodes/{name}", Tags: tag, Summary: "One node"}, by(job.Viewer), a.node)
	register(a, huma.Operation{OperationID: "node-log", Method: http.MethodGet, Path: "/nodes/{name}/log", Tags: tag, Summary: "The end of a node's log"}, by(job.Viewer), a.nodeLog)
	register(a, huma.Operation{
		OperationID: "drain-node", Method: http.MethodPost, Path: "/nodes/{name}/drain", Tags: tag, DefaultStatus: http.StatusOK,
		Summary: "Let a node finish what it has, and send it nothing new",
	}, by(job.Operator), a.drainNode)
	register(a, huma.Operation{
		OperationID: "undrain-node", Method: http.MethodDelete, Path: "/nodes/{name}/drain", Tags: tag, DefaultStatus: http.StatusOK,
		Summary: "Let a node take work again",
	}, by(job.Operator), a.undrainNode)
	register(a, huma.Operation{OperationID: "operations", Method: http.MethodGet, Path: "/operations", Tags: tag, Summary: "What the nodes can do, with every parameter"}, by(job.Viewer), a.operations)
	register(a, huma.Operation{OperationID: "policies", Method: http.MethodGet, Path: "/policies", Tags: tag, Summary: "The ways to choose nodes, with every parameter"}, by(job.Viewer), a.policies)
}

func (a *API) nodes(ctx context.Context, _ *struct{}) (*nodesOut, error) {
	all, err := a.cfg.Nodes.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	out := &nodesOut{}
	out.Body.Nodes = view.Each(all, view.OfNode)
	return out, nil
}

func (a *API) node(ctx context.Context, in *NodeIn) (*nodeOut, error) {
	n, err := a.findNode(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &nodeOut{Body: view.OfNode(n)}, nil
}

// findNode is the node of that name: of two, the one that came last.
// Errors: NotFound, Unavailable.
func (a *API) findNode(ctx context.Context, name string) (found job.Node, err error) {
	all, err := a.cfg.Nodes.Nodes(ctx)
	if err != nil {
		return found, err
	}
	for _, n := range all {
		if string(n.ID) == name {
			found = n
		}
	}
	if found.ID == "" {
		return found, job.E(job.NotFound, "node "+job.Shown(clip(name)), errors.New("no such node"), "GET /nodes lists them")
	}
	return found, nil
}

func (a *API) nodeLog(ctx context.Context, in *nodeLogIn) (*nodeLogOut, error) {
	n, err := a.findNode(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	if n.State == job.Inaccessible {
		return nil, unanswering(n.ID)
	}
	lines, err := a.cfg.Nodes.NodeLog(ctx, n.ID, in.Lines)
	if err != nil {
		return nil, err
	}
	out := &nodeLogOut{}
	out.Body.Lines = append([]string{}, lines...)
	return out, nil
}

func (a *API) drainNode(ctx context.Context, in *NodeIn) (*nodeOut, error) {
	return a.drain(ctx, in, true)
}

func (a *API) undrainNode(ctx context.Context, in *NodeIn) (*nodeOut, error) {
	return a.drain(ctx, in, false)
}

// drain lets a node take no new work, or take it again, and answers with the node.
func (a *API) drain(ctx context.Context, in *NodeIn, on bool) (*nodeOut, error) {
	n, err := a.findNode(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Nodes.Drain(ctx, n.ID, on); err != nil {
		return nil, err
	}
	return a.node(ctx, in)
}

func (a *API) operations(ctx context.Context, _ *struct{}) (*operationsOut, error) {
	all, err := a.cfg.Nodes.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	out := &operationsOut{}
	out.Body.Operations = append([]view.Operation{}, view.Operations(all)...)
	return out, nil
}

func (a *API) policies(context.Context, *struct{}) (*policiesOut, error) {
	out := &policiesOut{}
	out.Body.Default = a.cfg.Policy
	out.Body.Policies = view.Each(policy.Infos(), func(i policy.Info) policyJSON {
		return policyJSON{i.Name, i.Summary, view.Each(i.Params, func(p policy.Param) policyParamJSON {
			return policyParamJSON{p.Name, p.Default, p.Summary}
		})}
	})
	return out, nil
}
