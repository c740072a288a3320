package face

// Picture is what face_identity writes of one picture, as JSON.
type Picture struct {
	// Image is the input's name.
	Image string `json:"image"`
	// Width and Height are those of the picture, upright, in pixels.
	Width  int `json:"width"`
	Height int `json:"height"`
	// Threshold is the distance up to which a face got the name of a known one.
	Threshold float64 `json:"threshold"`
	// Known is what the faces were compared with; nil: with none.
	Known *Known `json:"known,omitempty"`
	// Faces are empty where there is none; else from left to right.
	Faces []Face `json:"faces"`
}

// Known tells of a folder of known faces.
type Known struct {
	// Folder is its name, People how many names it has.
	Folder string `json:"folder"`
	People int    `json:"people"`
	// Sum tells two folders with other faces, or other names, apart.
	Sum string `json:"sum"`
	// Unused names pictures in it that are of no use, and why.
	Unused []string `json:"unused,omitempty"`
}

// Face is one of a picture.
type Face struct {
	Box Box `json:"box"`
	// Match is the nearest known face; nil: none is near enough.
	Match *Match `json:"match,omitempty"`
	// Descriptor is what was compared.
	Descriptor Descriptor `json:"descriptor"`
}

// Match says who a face is.
type Match struct {
	Name string `json:"name"`
	// Distance is that of the two descriptors.
	Distance float64 `json:"distance"`
}

// Box is a rectangle in pixels from the picture's upper left corner. It may lie beyond
// the border where the face does.
type Box struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// RecordSuffix ends the name of a picture's [Picture], behind the picture's own, as in
// a.jpg.identity.json; PeopleName is that of a job's [People].
const (
	RecordSuffix = ".identity.json"
	PeopleName   = "people.json"
)

// People is what the server writes of all pictures of a job, as JSON.
type People struct {
	// Threshold is the distance up to which two faces are alike.
	Threshold float64 `json:"threshold"`
	// Pictures and Faces are how many there are.
	Pictures int `json:"pictures"`
	Faces    int `json:"faces"`
	// Known is what the faces were compared with; nil: with none.
	Known *Known `json:"known,omitempty"`
	// Persons come by the number of their faces, the most first; of equally many, by the
	// first of them.
	Persons []Person `json:"persons"`
}

// Person is a group of faces.
type Person struct {
	// ID counts from 1.
	ID int `json:"id"`
	// Name is what most of its named faces are called; empty: nobody knows.
	Name string `json:"name,omitempty"`
	// Faces come by picture, and from left to right.
	Faces []Sighting `json:"faces"`
}

// Sighting is a place where a person was seen.
type Sighting struct {
	Image string `json:"image"`
	Box   Box    `json:"box"`
}
