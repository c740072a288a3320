package job

// FaceIdentity is the operation that describes faces, so that the server can tell who is
// who among all pictures of a job.
const FaceIdentity = "face_identity"

// IdentityParams are what [FaceIdentity] takes: nodes name faces by it, and the server
// groups them.
func IdentityParams() []ParamInfo {
	return []ParamInfo{
		{Name: "known", Kind: NameParam, Summary: "folder of known faces beside input_dir, or in --models: alice.jpg, or alice/1.jpg"},
		{Name: "threshold", Kind: FloatParam, Default: "0.6", Min: 0, Max: 4, Summary: "distance up to which two faces are of one person; smaller is stricter"},
		{Name: "upsample", Kind: IntParam, Default: "0", Min: 0, Max: 2, Summary: "how often the picture is doubled before; each time, faces of half the size are found in four times the time"},
	}
}
