package operation

import (
	"slices"

	"spillway/job"
)

// All returns every operation that this build offers, the default first.
func All() []Operation {
	pictures := []Operation{edges(), grayscale(), blur(), resize(), rotate(), threshold(), sharpen(), denoise(), faceLandmarks{}, faceMesh{}, faceIdentity{}}
	all := append(pictures, metadata{}, extractFrames{}, createVideo{}, stems(), karaoke())
	all = append(append(all, videos(pictures)...), none{})
	return append(all, faults()...)
}

// Infos describes every operation that this build offers.
func Infos() []job.OperationInfo {
	var infos []job.OperationInfo
	for _, op := range All() {
		infos = append(infos, op.Info())
	}
	return infos
}

// Find returns the operation that op names, and its parameters, checked and
// with every default filled in. No name means [job.DefaultOperation].
// Errors: Unimplemented (no such operation here), InvalidArgument (a parameter).
func Find(op job.Operation) (Operation, job.Args, error) {
	if op.Name == "" {
		op.Name = job.DefaultOperation
	}
	all := All()
	at := slices.IndexFunc(all, func(o Operation) bool { return o.Info().Name == op.Name })
	if at < 0 {
		_, err := job.FindOperation(Infos(), op)
		missing := job.AsError(err)
		missing.Code = job.Unimplemented // another node may have it
		return nil, nil, missing
	}
	args, err := all[at].Info().Check(op)
	if err != nil {
		return nil, nil, err
	}
	return all[at], args, nil
}
