// Package face compares faces: it names those that are known, and groups the others by
// person. It knows nothing of pictures, only of descriptors, which the operation
// face_identity makes. Everything here is pure: what goes in decides what comes out.
//
// Two faces are of one person where the Euclidean distance of their descriptors,
//
//	d(a, b) = √ Σ (aᵢ − bᵢ)²,
//
// is at most a threshold. dlib's network of faces was trained for [Threshold] (F.
// Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering",
// CVPR 2015, has the idea).
package face
