package job

import (
	"errors"
	"fmt"
	"time"
)

// Workload is a stream of images to which one operation is done.
type Workload struct {
	ID   int64 // from 1; the store gives it
	Name string
	// Dir is the folder of its results: Name, or NAME.ID where another workload has that.
	Dir     string
	Filter  Operation
	Created time.Time
	Images  int64 // how many were uploaded; the id of the next one
}

// CheckWorkloadName reports whether name can be a workload's, and its folder's: as
// [CheckFileName], of at most 200 bytes. Errors: InvalidArgument.
func CheckWorkloadName(name string) error {
	const most = 200 // room for the id behind it
	if err := CheckFileName(name); err != nil {
		return E(InvalidArgument, "workload_name", AsError(err).Err, "use a plain name without slashes")
	}
	if len(name) > most || name[0] == '.' {
		return E(InvalidArgument, "workload_name", fmt.Errorf("it has more than %d bytes, or begins with a dot", most), "use a plain short name")
	}
	return nil
}

// ImageState is where an image of a workload stands.
//
//	arriving ──► waiting ──► working ──► done
//	                            └──────► failed
type ImageState string

// The states of an image.
const (
	ImageArriving ImageState = "arriving" // it has an id, and its file not yet its name
	ImageWaiting  ImageState = "waiting"
	ImageWorking  ImageState = "working" // it is in a job
	ImageDone     ImageState = "done"
	ImageFailed   ImageState = "failed"
)

// Image is one upload to a workload.
type Image struct {
	Workload int64
	ID       int64 // from 0, in the order of the uploads
	State    ImageState
	Original string // its file's name, ID.EXT
	Result   string // that of its filtered twin; "" until it is done
	Upload   string // the hidden name under which its file arrived
	Job      ID     // that works on it; "": none yet
	Err      *Error // why it failed, with code, cause and hint alone; nil otherwise
}

// Progress is how far a workload is.
type Progress struct {
	Open    int64   // images that are neither done nor failed
	Working int64   // of them, those in a job
	Done    []int64 // ids of the images that are done, in order
}

// Upload is a picture on the server's disk that is no image of a workload yet.
type Upload struct {
	Name      string // of its file
	Extension string // of the picture that it is, with the dot
	Size      int64  // bytes
}

// NoWorkload is the error for a workload that there is not.
func NoWorkload(id int64) error {
	return E(NotFound, fmt.Sprintf("workload %d", id), errors.New("there is none"), "GET /workloads lists them")
}

// NoImage is the error for an image that there is not.
func NoImage(workload, id int64) error {
	return E(NotFound, fmt.Sprintf("image %d of workload %d", id, workload), errors.New("there is none"), "ids run from 0 in upload order")
}
