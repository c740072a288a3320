package job

import (
	"path"
	"slices"
	"strings"
)

// PictureExtensions are those of the files that count as pictures, in lower case.
func PictureExtensions() []string {
	return []string{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
}

// IsPicture tells by the name of a file whether it counts as a picture.
func IsPicture(name string) bool {
	return slices.Contains(PictureExtensions(), strings.ToLower(path.Ext(name)))
}
